/*!
Direct update direction of a convolution, `G[o, c, u, v] = sum over examples and pixels of delta[o, i, j] x[c, i s + u - p, j s + v - p]`.

Register tiles of taps x outputs, k running over pixels: the errors are turned to pixels x outputs, every tap is a shifted view of the
input's frame. Pixels are taken in chunks, some output rows of one example or several small examples, whose turned errors stay in the first- or
second-level cache while all channels pass by. Examples fall into fixed parts, whose sums are added in order: bits follow from shapes alone.
*/

use super::direct::{padded, runs, with_offsets};
use super::frame::Frame;
use super::kernel::{Isa, Offsets, Tile, accumulate};
use super::turn::{turn, turn_in};
use super::{ConvShape, parts};
use crate::Par;
use crate::ops::{with_scratch, zip_each};
use std::ops::Range;

/// Pixels of a chunk.
const PIXELS: usize = 256;

/// Rows `rows` of G into `g`.
pub(super) fn weight_grad(
    isa: Isa,
    g: &mut [f32],
    delta: &[f32],
    x: &[f32],
    (examples, rows): (usize, Range<usize>),
    s: &ConvShape,
    par: Par,
) {
    let (outputs, taps) = (s.outputs / s.groups, s.taps());
    for group in 0..s.groups {
        let own = (group * outputs).max(rows.start)..((group + 1) * outputs).min(rows.end);
        if !own.is_empty() {
            let g = &mut g[(own.start - rows.start) * taps..][..own.len() * taps];
            Job::new(isa, s, group, own).sum(g, delta, x, examples, par);
        }
    }
}

/// One group's outputs.
struct Job<'a> {
    isa: Isa,
    s: &'a ConvShape,
    group: usize,
    outputs: Range<usize>,
    /// Of one example.
    frame: Frame,
    /// Examples, and output rows of each, of a chunk.
    chunk: [usize; 2],
}

impl<'a> Job<'a> {
    fn new(isa: Isa, s: &'a ConvShape, group: usize, outputs: Range<usize>) -> Self {
        let (p, w) = (s.planes(), s.planes().window);
        let [height, width] = p.out();
        let rows = (PIXELS / width).clamp(1, height);
        let together = if rows == height { (PIXELS / (width * height)).max(1) } else { 1 };
        let frame = Frame {
            planes: p.channels / s.groups,
            size: p.size,
            left: w.padding,
            parts: 1,
            part: (width - 1) * w.stride + w.kernel[1],
            lines: (rows - 1) * w.stride + w.kernel[0],
        };
        Job { isa, s, group, outputs, frame, chunk: [together, rows] }
    }

    /// Elements of one channel of the sums: taps x outputs.
    fn channel(&self) -> usize {
        let [_, _, kh, kw] = self.s.weight();
        kh * kw * self.lanes()
    }

    fn lanes(&self) -> usize {
        padded(self.isa, self.outputs.len())
    }

    fn sum(&self, g: &mut [f32], delta: &[f32], x: &[f32], examples: usize, par: Par) {
        let len = self.channel() * self.frame.planes;
        let parts = parts(g.len(), examples);
        with_scratch(parts * len, |sums: &mut [f32]| {
            sums.fill(0.0);
            let range = |part: usize| part * examples / parts..(part + 1) * examples / parts;
            if parts == 1 {
                self.part(sums, delta, x, range(0), par);
            } else {
                par.each_run(sums, len, |part, sums| self.part(sums, delta, x, range(part), Par::Seq));
            }
            let (total, more) = sums.split_at_mut(len);
            for more in more.chunks_exact(len) {
                zip_each(
                    total,
                    more,
                    #[inline(always)]
                    |a, b| a + b,
                );
            }
            let (taps, lanes) = (self.s.taps(), self.lanes());
            turn(self.isa, (g, taps), (total, lanes), [taps, self.outputs.len()], None);
        });
    }

    /// Adds what some examples contribute.
    fn part(&self, sums: &mut [f32], delta: &[f32], x: &[f32], examples: Range<usize>, par: Par) {
        let [together, rows] = self.chunk;
        let [height, width] = self.s.planes.out();
        with_scratch(together * self.frame.len(), |frames| {
            with_scratch(together * rows * width * self.lanes(), |turned| {
                for first in examples.clone().step_by(together) {
                    let chunk = first..(first + together).min(examples.end);
                    for top in (0..height).step_by(rows) {
                        let rows = top..(top + rows).min(height);
                        self.frames(frames, x, &chunk, rows.start);
                        self.turned(turned, delta, &chunk, &rows);
                        self.add(sums, frames, turned, chunk.len(), rows.len(), par);
                    }
                }
            });
        });
    }

    fn frames(&self, frames: &mut [f32], x: &[f32], chunk: &Range<usize>, top: usize) {
        let (s, w) = (self.s, self.s.planes.window);
        let top = (top * w.stride) as isize - w.padding as isize;
        for (n, frame) in chunk.clone().zip(frames.chunks_exact_mut(self.frame.len())) {
            let x = &x[n * s.in_len() + self.group * s.group_in()..][..s.group_in()];
            self.frame.fill(frame, x, top..top + self.frame.lines as isize);
        }
    }

    /// Errors of a chunk as pixels x outputs, run by run.
    fn turned(&self, turned: &mut [f32], delta: &[f32], chunk: &Range<usize>, rows: &Range<usize>) {
        let (isa, s) = (self.isa, self.s);
        let (area, width) = (s.planes.out_area(), s.planes.out()[1]);
        let (each, pixels) = (rows.len() * width, rows.len() * width * chunk.len());
        for run in runs(isa, self.outputs.len()) {
            let lanes = padded(isa, run.len());
            let turned = &mut turned[run.start * pixels..][..pixels * lanes];
            for (n, turned) in chunk.clone().zip(turned.chunks_exact_mut(each * lanes)) {
                let at = n * s.out_len() + (self.outputs.start + run.start) * area + rows.start * width;
                turn_in(isa, (turned, lanes), (&delta[at..], area), [run.len(), each]);
            }
        }
    }

    fn add(&self, sums: &mut [f32], frames: &[f32], turned: &[f32], examples: usize, rows: usize, par: Par) {
        let ([_, _, kh, kw], stride) = (self.s.weight(), self.s.planes.window.stride);
        let (isa, frame, width, all) = (self.isa, &self.frame, self.s.planes.out()[1], self.lanes());
        let pixels = examples * rows * width;
        with_offsets(pixels, |offsets| {
            for (k, offset) in offsets.iter_mut().enumerate() {
                let (n, i, j) = (k / (rows * width), k / width % rows, k % width);
                *offset = (n * frame.len() + i * stride * frame.line() + j * stride) as u32;
            }
            let offsets = Offsets::new(offsets);
            par.each_run(sums, self.channel(), |c, sums| {
                for run in runs(isa, self.outputs.len()) {
                    let lanes = padded(isa, run.len());
                    let w = &turned[run.start * pixels..][..pixels * lanes];
                    isa.grid(kh, kw, |u, v| {
                        let t = Tile {
                            size: [u.len(), v.len()],
                            vectors: lanes / isa.lanes(),
                            row: frame.line(),
                            out: [kw * all, all],
                            add: true,
                        };
                        let x = &frames[c * frame.plane() + u.start * frame.line() + v.start..];
                        let out = &mut sums[(u.start * kw + v.start) * all + run.start..];
                        accumulate(isa, t, offsets, w, x, out);
                    });
                }
            });
        });
    }
}

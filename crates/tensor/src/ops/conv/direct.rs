/*!
Direct convolution forward: register tiles of pixels x output channels, k running over the taps (c, u, v), over frames of the input. Columns of
a frame are dealt out by their remainder modulo the stride, so that neighbouring outputs read neighbouring entries. Tiles come out as pixels x
channels and are turned.
*/

use super::ConvShape;
use super::frame::Frame;
use super::kernel::{Isa, Offsets, Tile, accumulate};
use super::turn::{turn_in, turn_out};
use crate::Par;
use crate::ops::with_scratch;
use std::ops::Range;

/// Elements of one frame: it shares the second-level cache with the weights.
pub(super) const FRAME: usize = 64 * 1024;
/// Pixels turned at a time.
pub(super) const PIXELS: usize = 256;

/// Runs of channels, each of one or two vectors.
pub(super) fn runs(isa: Isa, channels: usize) -> impl Iterator<Item = Range<usize>> {
    let width = 2 * isa.lanes();
    (0..channels).step_by(width).map(move |start| start..(start + width).min(channels))
}

/// Lanes that a run of channels takes.
pub(super) fn padded(isa: Isa, channels: usize) -> usize {
    channels.next_multiple_of(isa.lanes())
}

/// Lends `len` offsets of arbitrary content, kept by this thread from call to call.
pub(super) fn with_offsets<R>(len: usize, f: impl FnOnce(&mut [u32]) -> R) -> R {
    std::thread_local! {
        static SPACE: std::cell::Cell<Vec<u32>> = const { std::cell::Cell::new(Vec::new()) };
    }
    // Taken out while it is lent: a nested call on this thread gets space of its own.
    let mut space = SPACE.take();
    if space.len() < len {
        space.resize(len, 0);
    }
    let out = f(&mut space[..len]);
    SPACE.set(space);
    out
}

/// `y = w * x + bias` for every example.
pub(super) fn forward(
    isa: Isa,
    y: &mut [f32],
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    s: &ConvShape,
    par: Par,
) {
    let (frame, rows, copied) = input_frame(s);
    let (taps, outputs, padded) = (s.taps(), s.outputs / s.groups, padded(isa, s.outputs / s.groups));
    with_offsets(taps, |offsets| {
        tap_offsets(offsets, s, &frame);
        let offsets = Offsets::new(offsets);
        with_scratch(s.groups * taps * padded, |packed| {
            for (w, packed) in w.chunks_exact(outputs * taps).zip(packed.chunks_exact_mut(taps * padded)) {
                for run in runs(isa, outputs) {
                    let width = self::padded(isa, run.len());
                    let dst = (&mut packed[run.start * taps..][..taps * width], width);
                    turn_in(isa, dst, (&w[run.start * taps..], taps), [run.len(), taps]);
                }
            }
            let job = Forward { isa, s, frame, rows, copied, offsets, packed };
            let (i, o) = (s.in_len(), s.out_len());
            par.each_run(y, o, |n, y| job.example(y, &x[n * i..][..i], bias));
        });
    });
}

/// The frame of a group's input for a block of output rows, how many these are, and whether it must be copied at all.
fn input_frame(s: &ConvShape) -> (Frame, usize, bool) {
    let (p, w) = (s.planes(), s.planes().window);
    let planes = p.channels / s.groups;
    if w.padding == 0 && w.stride == 1 {
        let frame = Frame { planes, size: p.size, left: 0, parts: 1, part: p.size[1], lines: p.size[0] };
        return (frame, p.out()[0], false);
    }
    let part = ((p.out()[1] - 1) * w.stride + w.kernel[1]).div_ceil(w.stride);
    let lines = |rows: usize| (rows - 1) * w.stride + w.kernel[0];
    let line = planes * w.stride * part;
    let fit = (FRAME / line).saturating_sub(w.kernel[0]) / w.stride + 1;
    let rows = fit.clamp(1, p.out()[0]);
    (Frame { planes, size: p.size, left: w.padding, parts: w.stride, part, lines: lines(rows) }, rows, true)
}

/// Where the taps (c, u, v) of the first pixel lie in the frame.
fn tap_offsets(offsets: &mut [u32], s: &ConvShape, frame: &Frame) {
    let [_, _, kh, kw] = s.weight();
    for (k, offset) in offsets.iter_mut().enumerate() {
        let (c, u, v) = (k / (kh * kw), k / kw % kh, k % kw);
        *offset = (c * frame.plane() + u * frame.line() + frame.column(v)) as u32;
    }
}

struct Forward<'a> {
    isa: Isa,
    s: &'a ConvShape,
    frame: Frame,
    rows: usize,
    copied: bool,
    offsets: Offsets<'a>,
    packed: &'a [f32],
}

impl Forward<'_> {
    fn example(&self, y: &mut [f32], x: &[f32], bias: Option<&[f32]>) {
        let (s, frame) = (self.s, &self.frame);
        let (window, [height, _]) = (s.planes().window, s.planes().out());
        let (outputs, area) = (s.outputs / s.groups, s.planes.out_area());
        with_scratch(if self.copied { frame.len() } else { 0 }, |buffer| {
            for g in 0..s.groups {
                let x = &x[g * s.group_in()..][..s.group_in()];
                let y = &mut y[g * outputs * area..][..outputs * area];
                let bias = bias.map(|b| &b[g * outputs..][..outputs]);
                for first in (0..height).step_by(self.rows) {
                    let rows = first..(first + self.rows).min(height);
                    if self.copied {
                        let top = (first * window.stride) as isize - window.padding as isize;
                        let lines = (rows.len() - 1) * window.stride + window.kernel[0];
                        frame.fill(buffer, x, top..top + lines as isize);
                        self.block(y, buffer, g, rows, bias);
                    } else {
                        self.block(y, x, g, rows, bias);
                    }
                }
            }
        });
    }

    /// Output rows `rows` of one group; `x` starts with the input of the first.
    fn block(&self, y: &mut [f32], x: &[f32], group: usize, rows: Range<usize>, bias: Option<&[f32]>) {
        let (isa, s) = (self.isa, self.s);
        let (width, area, step) =
            (s.planes.out()[1], s.planes.out_area(), s.planes.window.stride * self.frame.line());
        let (taps, outputs) = (s.taps(), s.outputs / s.groups);
        let packed = &self.packed[group * taps * padded(isa, outputs)..];
        let at_once = (PIXELS / width).clamp(1, rows.len());
        for run in runs(isa, outputs) {
            let lanes = padded(isa, run.len());
            let w = &packed[run.start * taps..][..taps * lanes];
            with_scratch(at_once * width * lanes, |tile| {
                for first in (0..rows.len()).step_by(at_once) {
                    let count = at_once.min(rows.len() - first);
                    isa.grid(count, width, |r, q| {
                        let t = Tile {
                            size: [r.len(), q.len()],
                            vectors: lanes / isa.lanes(),
                            row: step,
                            out: [width * lanes, lanes],
                            add: false,
                        };
                        let x = &x[(first + r.start) * step + q.start..];
                        accumulate(
                            isa,
                            t,
                            self.offsets,
                            w,
                            x,
                            &mut tile[(r.start * width + q.start) * lanes..],
                        );
                    });
                    let y = &mut y[run.start * area + (rows.start + first) * width..];
                    let bias = bias.map(|b| &b[run.clone()]);
                    turn_out(isa, (y, area), (tile, lanes), [count * width, run.len()], bias);
                }
            });
        }
    }
}

/*!
The error at the input, sent instead of fetched: for every tap (u, v) the product of the errors with its weights is added to the pixels that it
read,

```text
dx[c, i s + u - p, j s + v - p] += sum over o of w[o, c, u, v] delta[o, i, j].
```

Register tiles of output pixels x input channels, k running over o, added to a buffer of pixels x channels that is turned at the end. Every product
counts, where fetching (`direct_back.rs`) also multiplies the zeros around the errors: for a 3x3 window without padding over 6x6 pixels more than
half of its products. Fetching adds to memory once per pixel instead of once per tap, so this serves the smaller images alone.
*/

use super::ConvShape;
use super::direct::{padded, runs, with_offsets};
use super::kernel::{Isa, Offsets, Tile, accumulate};
use super::turn::{turn, turn_out};
use crate::Par;
use crate::ops::{Accum, with_scratch, zip_each};

/// Elements of the largest buffer: it should stay in the second-level cache.
const BUFFER: usize = 64 * 1024;

/// Whether sending is the cheaper way: one product in nine saved, or a stride, whose phases sending need not know; and a buffer that is
/// not too large.
pub(super) fn sends(isa: Isa, s: &ConvShape) -> bool {
    let (p, stride) = (s.planes(), s.planes().window.stride);
    let lanes = padded(isa, s.weight()[1].min(2 * isa.lanes()));
    (stride > 1 || 8 * p.area() >= 9 * p.out_area()) && p.area() * lanes <= BUFFER
}

/// `dx (+)=` the error carried by `w`, for every example.
pub(super) fn send_back(
    isa: Isa,
    dx: &mut [f32],
    accum: Accum,
    delta: &[f32],
    w: &[f32],
    s: &ConvShape,
    par: Par,
) {
    let (outputs, channels) = (s.outputs / s.groups, s.weight()[1]);
    let per_group = outputs * s.taps() / channels * padded(isa, channels);
    with_offsets(outputs, |offsets| {
        offsets.iter_mut().enumerate().for_each(|(o, at)| *at = (o * s.planes.out_area()) as u32);
        let offsets = Offsets::new(offsets);
        with_scratch(s.groups * per_group, |packed| {
            for (w, packed) in w.chunks_exact(outputs * s.taps()).zip(packed.chunks_exact_mut(per_group)) {
                pack(isa, packed, w, s);
            }
            let job = Send { isa, s, accum, offsets, packed, per_group };
            let (i, o) = (s.in_len(), s.out_len());
            par.each_run(dx, i, |n, dx| job.example(dx, &delta[n * o..][..o]));
        });
    });
}

/// Weights in the order run of channels, tap, o, channel.
fn pack(isa: Isa, packed: &mut [f32], w: &[f32], s: &ConvShape) {
    let [_, channels, kh, kw] = s.weight();
    let mut rest = packed;
    for run in runs(isa, channels) {
        let width = padded(isa, run.len());
        for tap in 0..kh * kw {
            for w in w.chunks_exact(s.taps()) {
                let (lanes, tail) = rest.split_at_mut(width);
                lanes.iter_mut().zip(run.clone()).for_each(|(lane, c)| *lane = w[c * kh * kw + tap]);
                lanes[run.len()..].fill(0.0);
                rest = tail;
            }
        }
    }
}

struct Send<'a> {
    isa: Isa,
    s: &'a ConvShape,
    accum: Accum,
    offsets: Offsets<'a>,
    packed: &'a [f32],
    per_group: usize,
}

impl Send<'_> {
    fn example(&self, dx: &mut [f32], delta: &[f32]) {
        let (isa, s, area) = (self.isa, self.s, self.s.planes.area());
        let [outputs, channels, kh, kw] = s.weight();
        let outputs = outputs / s.groups;
        for g in 0..s.groups {
            let delta = &delta[g * outputs * s.planes.out_area()..][..outputs * s.planes.out_area()];
            let mut packed = &self.packed[g * self.per_group..];
            for run in runs(isa, channels) {
                let lanes = padded(isa, run.len());
                let (w, rest) = packed.split_at(outputs * kh * kw * lanes);
                packed = rest;
                with_scratch(area * lanes, |sums: &mut [f32]| {
                    sums.fill(0.0);
                    for (tap, w) in w.chunks_exact(outputs * lanes).enumerate() {
                        self.tap(sums, delta, w, [tap / kw, tap % kw], lanes);
                    }
                    let dx = &mut dx[g * s.group_in() + run.start * area..][..run.len() * area];
                    self.deliver(dx, sums, lanes, run.len());
                });
            }
        }
    }

    /// Adds what one tap sends.
    fn tap(&self, sums: &mut [f32], delta: &[f32], w: &[f32], [u, v]: [usize; 2], lanes: usize) {
        let (isa, p, window) = (self.isa, &self.s.planes, self.s.planes.window);
        let (rows, cols) = (p.inside(0, u), p.inside(1, v));
        if rows.is_empty() || cols.is_empty() {
            return;
        }
        let (width, out) = (p.size[1], p.out()[1]);
        isa.grid(rows.len(), cols.len(), |r, q| {
            let (i, j) = (rows.start + r.start, cols.start + q.start);
            let t = Tile {
                size: [r.len(), q.len()],
                vectors: lanes / isa.lanes(),
                row: out,
                out: [window.stride * width * lanes, window.stride * lanes],
                add: true,
            };
            let at =
                (i * window.stride + u - window.padding) * width + j * window.stride + v - window.padding;
            accumulate(isa, t, self.offsets, w, &delta[i * out + j..], &mut sums[at * lanes..]);
        });
    }

    fn deliver(&self, dx: &mut [f32], sums: &[f32], lanes: usize, channels: usize) {
        let area = self.s.planes.area();
        if self.accum == Accum::Replace {
            return turn_out(self.isa, (dx, area), (sums, lanes), [area, channels], None);
        }
        with_scratch(area * channels, |turned| {
            turn(self.isa, (turned, area), (sums, lanes), [area, channels], None);
            zip_each(
                dx,
                turned,
                #[inline(always)]
                |d, t| d + t,
            );
        });
    }
}

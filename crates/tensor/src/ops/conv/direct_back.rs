/*!
Direct convolution backward: the error at the input. Its pixels fall into s x s phases by (i + p) mod s, (j + p) mod s; phase (a, b) is
reached by the taps u = a + s u', v = b + s v' alone,

```text
dx[c, s i' + a - p, s j' + b - p] = sum over o, u', v' of w[o, c, a + s u', b + s v'] delta[o, i' - u', j' - v'],
```

a convolution of stride 1 in each phase: register tiles of pixels x input channels, k running over (o, u', v'), over frames of the error.
*/

use super::ConvShape;
use super::direct::{FRAME, PIXELS, padded, runs, with_offsets};
use super::frame::Frame;
use super::kernel::{Isa, Offsets, Tile, accumulate};
use super::send_back::{send_back, sends};
use super::turn::{turn, turn_out};
use crate::Par;
use crate::ops::{Accum, with_scratch};
use std::ops::Range;

/// The error at the input, carried by `w`.
pub(super) fn back(
    isa: Isa,
    dx: &mut [f32],
    accum: Accum,
    delta: &[f32],
    w: &[f32],
    s: &ConvShape,
    par: Par,
) {
    if sends(isa, s) {
        return send_back(isa, dx, accum, delta, w, s, par);
    }
    let (frame, rows) = error_frame(s);
    let (taps, channels) = (s.taps() / s.weight()[1] * (s.outputs / s.groups), s.weight()[1]);
    let padded = padded(isa, channels);
    with_offsets(taps, |offsets| {
        error_offsets(offsets, s, &frame);
        with_scratch(s.groups * taps * padded, |packed| {
            let filters = w.chunks_exact(s.outputs / s.groups * s.taps());
            for (w, packed) in filters.zip(packed.chunks_exact_mut(taps * padded)) {
                pack_back(isa, packed, w, s);
            }
            let job = Back { isa, s, accum, frame, rows, offsets, packed };
            let (i, o) = (s.in_len(), s.out_len());
            par.each_run(dx, i, |n, dx| job.example(dx, &delta[n * o..][..o]));
        });
    });
}

/// One phase: its taps per axis, and the range of i' (or j') per axis.
struct Phase {
    at: [usize; 2],
    taps: [usize; 2],
    range: [Range<usize>; 2],
}

/// The phases that have taps, in the order of their weights and offsets.
fn phases(s: &ConvShape) -> impl Iterator<Item = Phase> {
    let (p, w) = (*s.planes(), s.planes().window);
    let reach = move |axis: usize, a: usize| {
        let low = w.padding.saturating_sub(a).div_ceil(w.stride);
        let high = (p.size[axis] + w.padding).saturating_sub(a).div_ceil(w.stride);
        low.min(high)..high
    };
    let taps = move |axis: usize, a: usize| w.kernel[axis].saturating_sub(a).div_ceil(w.stride);
    (0..w.stride * w.stride).map(move |k| [k / w.stride, k % w.stride]).filter_map(move |[a, b]| {
        let taps = [taps(0, a), taps(1, b)];
        (taps[0] * taps[1] > 0).then(|| Phase { at: [a, b], taps, range: [reach(0, a), reach(1, b)] })
    })
}

/// The frame of a group's error for a block of i', and how many these are.
fn error_frame(s: &ConvShape) -> (Frame, usize) {
    let (p, w) = (s.planes(), s.planes().window);
    let before = w.kernel.map(|k| k.div_ceil(w.stride) - 1);
    let all = [0, 1].map(|axis| (p.size[axis] - 1 + w.padding) / w.stride + 1);
    let part = all[1] + before[1];
    let planes = s.outputs / s.groups;
    let rows = (FRAME / (planes * part)).saturating_sub(before[0]).clamp(1, all[0]);
    (Frame { planes, size: p.out(), left: before[1], parts: 1, part, lines: rows + before[0] }, rows)
}

fn error_offsets(offsets: &mut [u32], s: &ConvShape, frame: &Frame) {
    let before = s.planes.window.kernel.map(|k| k.div_ceil(s.planes.window.stride) - 1);
    let mut offsets = offsets.iter_mut();
    for phase in phases(s) {
        for o in 0..s.outputs / s.groups {
            for u in 0..phase.taps[0] {
                for v in 0..phase.taps[1] {
                    let at = o * frame.plane() + (before[0] - u) * frame.line() + before[1] - v;
                    *offsets.next().expect("as many as taps") = at as u32;
                }
            }
        }
    }
}

/// Weights in the order phase, run of channels, (o, u', v'), channel.
fn pack_back(isa: Isa, packed: &mut [f32], w: &[f32], s: &ConvShape) {
    let ([_, channels, kh, kw], stride) = (s.weight(), s.planes.window.stride);
    let mut rest = packed;
    for phase in phases(s) {
        for run in runs(isa, channels) {
            let width = padded(isa, run.len());
            for w in w.chunks_exact(s.taps()) {
                for u in (phase.at[0]..kh).step_by(stride) {
                    for v in (phase.at[1]..kw).step_by(stride) {
                        let (lanes, tail) = rest.split_at_mut(width);
                        for (lane, c) in lanes.iter_mut().zip(run.clone()) {
                            *lane = w[(c * kh + u) * kw + v];
                        }
                        lanes[run.len()..].fill(0.0);
                        rest = tail;
                    }
                }
            }
        }
    }
}

struct Back<'a> {
    isa: Isa,
    s: &'a ConvShape,
    accum: Accum,
    frame: Frame,
    rows: usize,
    offsets: &'a [u32],
    packed: &'a [f32],
}

impl Back<'_> {
    fn example(&self, dx: &mut [f32], delta: &[f32]) {
        let (s, window) = (self.s, self.s.planes.window);
        let [outputs, channels, kh, kw] = s.weight();
        let outputs = outputs / s.groups;
        let per_group = self.packed.len() / s.groups;
        // Pixels that no tap reaches get nothing.
        if self.accum == Accum::Replace && window.stride > kh.min(kw) {
            dx.fill(0.0);
        }
        let all = (s.planes.size[0] - 1 + window.padding) / window.stride + 1;
        let before = kh.div_ceil(window.stride) - 1;
        with_scratch(self.frame.len(), |buffer| {
            for g in 0..s.groups {
                let delta = &delta[g * outputs * s.planes.out_area()..];
                let dx = &mut dx[g * s.group_in()..][..s.group_in()];
                for first in (0..all).step_by(self.rows) {
                    let rows = first..(first + self.rows).min(all);
                    let top = first as isize - before as isize;
                    self.frame.fill(buffer, delta, top..rows.end as isize);
                    let (mut packed, mut offsets) = (&self.packed[g * per_group..], self.offsets);
                    for phase in phases(s) {
                        let taps = outputs * phase.taps[0] * phase.taps[1];
                        let own = Offsets::new(&offsets[..taps]);
                        offsets = &offsets[taps..];
                        for run in runs(self.isa, channels) {
                            let lanes = padded(self.isa, run.len());
                            let (w, rest) = packed.split_at(taps * lanes);
                            packed = rest;
                            self.block(dx, buffer, &phase, &rows, run, own, w);
                        }
                    }
                }
            }
        });
    }

    /// The pixels of a phase with i' in `rows`, for a run of channels; the frame starts with what the first needs.
    fn block(
        &self,
        dx: &mut [f32],
        frame: &[f32],
        phase: &Phase,
        rows: &Range<usize>,
        run: Range<usize>,
        offsets: Offsets<'_>,
        w: &[f32],
    ) {
        let (isa, line) = (self.isa, self.frame.line());
        let own = phase.range[0].start.max(rows.start)..phase.range[0].end.min(rows.end);
        let (width, lanes) = (phase.range[1].len(), padded(isa, run.len()));
        if own.is_empty() || width == 0 {
            return;
        }
        let at_once = (PIXELS / width).clamp(1, own.len());
        with_scratch(at_once * width * lanes, |tile| {
            for first in own.clone().step_by(at_once) {
                let count = at_once.min(own.end - first);
                isa.grid(count, width, |r, q| {
                    let t = Tile {
                        size: [r.len(), q.len()],
                        vectors: lanes / isa.lanes(),
                        row: line,
                        out: [width * lanes, lanes],
                        add: false,
                    };
                    let x = &frame[(first - rows.start + r.start) * line + phase.range[1].start + q.start..];
                    accumulate(isa, t, offsets, w, x, &mut tile[(r.start * width + q.start) * lanes..]);
                });
                self.deliver(dx, phase, first..first + count, &run, tile);
            }
        });
    }

    /// Puts (or adds) pixels x channels where they belong.
    fn deliver(&self, dx: &mut [f32], phase: &Phase, rows: Range<usize>, run: &Range<usize>, tile: &[f32]) {
        let (isa, planes, lanes) = (self.isa, &self.s.planes, padded(self.isa, run.len()));
        let (window, area, width) = (planes.window, planes.area(), phase.range[1].len());
        let pixels = rows.len() * width;
        let line = |i: usize| (i * window.stride + phase.at[0] - window.padding) * planes.size[1];
        if window.stride == 1 && self.accum == Accum::Replace {
            let dx = &mut dx[run.start * area + line(rows.start)..];
            return turn_out(isa, (dx, area), (tile, lanes), [pixels, run.len()], None);
        }
        let left = phase.range[1].start * window.stride + phase.at[1] - window.padding;
        with_scratch(pixels * run.len(), |turned| {
            turn(isa, (turned, pixels), (tile, lanes), [pixels, run.len()], None);
            for (c, turned) in run.clone().zip(turned.chunks_exact(pixels)) {
                for (i, values) in rows.clone().zip(turned.chunks_exact(width)) {
                    let dx = dx[c * area + line(i)..][left..planes.size[1]].iter_mut().step_by(window.stride);
                    match self.accum {
                        Accum::Replace => dx.zip(values).for_each(|(d, &v)| *d = v),
                        Accum::Add => dx.zip(values).for_each(|(d, &v)| *d += v),
                    }
                }
            }
        });
    }
}

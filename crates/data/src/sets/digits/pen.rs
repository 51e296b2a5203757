/*!
A pen: strokes to pixels.

A stroke is a Catmull-Rom curve (uniform, tangent (p[k+1] - p[k-1]) / 2 at p[k]) cut into short segments. The ink of a
pixel is clamp(1/2 + (r - d) / s, 0, 1) with d the distance of its centre from the nearest segment, r half the width of
the pen there and s its softness.
*/

use super::glyphs::Glyph;
use realign_tensor::Rng;

/// Pixels along a side.
pub(super) const SIDE: usize = 28;
/// Pixels of an image.
pub(super) const PIXELS: usize = SIDE * SIDE;
/// Segments per span between two control points.
const CUTS: usize = 4;
/// Smooth waves of the elastic distortion.
const WAVES: usize = 3;

/// How one example is written; lengths in pixels, angles in radians.
pub(super) struct Hand {
    /// Maps the glyph's box (centre 0, height 1) to pixels: rows (xx, xy), (yx, yy).
    matrix: [f32; 4],
    shift: (f32, f32),
    /// Standard deviation of control points, in boxes.
    shake: f32,
    waves: [Wave; WAVES],
    radius: f32,
    /// Relative change of the radius from the begin to the end of a stroke.
    pressure: f32,
    softness: f32,
    /// Largest pixel value.
    ink: f32,
}

struct Wave {
    direction: (f32, f32),
    phase: f32,
    amplitude: (f32, f32),
}

impl Hand {
    /// A random hand. The spreads were tuned so that a linear classifier and a two-layer net err about as often as on MNIST.
    pub(super) fn draw(rng: &mut Rng) -> Hand {
        let mut within = |low: f64, high: f64| rng.uniform_in(low, high) as f32;
        let (height, aspect) = (within(16.5, 21.5), within(0.68, 1.12));
        let (radius, pressure, softness) = (within(0.75, 1.75), within(-0.35, 0.35), within(0.9, 1.7));
        let (ink, shake) = (within(195.0, 255.0), within(0.012, 0.04));
        let shift = (within(-1.6, 1.6), within(-1.6, 1.6));
        let turn = 0.13 * rng.normal() as f32;
        let slant = 0.10 + 0.20 * rng.normal() as f32;
        let (sin, cos) = libm::sincosf(turn);
        // Rotation times slant (upper parts move right) times scale.
        let (w, h) = (height * aspect, height);
        let matrix = [cos * w, (-cos * slant - sin) * h, sin * w, (-sin * slant + cos) * h];
        Hand { matrix, shift, shake, waves: std::array::from_fn(|_| Wave::draw(rng)), radius, pressure, softness, ink }
    }

    /// A point of the box (centre 0) in pixels.
    fn place(&self, (x, y): (f32, f32)) -> (f32, f32) {
        let (mut u, mut v) = (x, y);
        for wave in &self.waves {
            let height = libm::sinf(wave.direction.0 * x + wave.direction.1 * y + wave.phase);
            u += wave.amplitude.0 * height;
            v += wave.amplitude.1 * height;
        }
        let [a, b, c, d] = self.matrix;
        (a * u + b * v, c * u + d * v)
    }
}

impl Wave {
    /// A wave of half a period to one and a half over the box.
    fn draw(rng: &mut Rng) -> Wave {
        let (sin, cos) = libm::sincosf(rng.uniform_in(0.0, std::f64::consts::TAU) as f32);
        let frequency = rng.uniform_in(3.0, 9.0) as f32;
        let amplitude = || 0.16 / frequency;
        Wave {
            direction: (frequency * cos, frequency * sin),
            phase: rng.uniform_in(0.0, std::f64::consts::TAU) as f32,
            amplitude: (amplitude() * rng.normal() as f32, amplitude() * rng.normal() as f32),
        }
    }
}

/// A point on a stroke: pixels and half the width of the pen.
#[derive(Clone, Copy)]
struct Dot {
    x: f32,
    y: f32,
    radius: f32,
}

/// Work space for one image at a time.
pub(super) struct Pen {
    /// Per pixel, the smallest distance to a segment less the radius there.
    gap: [f32; PIXELS],
    points: Vec<(f32, f32)>,
    dots: Vec<Dot>,
    /// Where each stroke ends in `dots`.
    ends: Vec<usize>,
}

impl Pen {
    pub(super) fn new() -> Pen {
        Pen { gap: [0.0; PIXELS], points: Vec::new(), dots: Vec::new(), ends: Vec::new() }
    }

    /// Draws one glyph into `image`.
    pub(super) fn write(&mut self, glyph: Glyph, hand: &Hand, rng: &mut Rng, image: &mut [u8]) {
        self.dots.clear();
        self.ends.clear();
        for stroke in glyph {
            self.control_points(stroke, hand, rng);
            self.trace(hand);
            self.ends.push(self.dots.len());
        }
        self.centre(hand);
        self.gap.fill(f32::MAX);
        let mut begin = 0;
        for &end in &self.ends {
            for pair in self.dots[begin..end].windows(2) {
                draw_segment(&mut self.gap, pair[0], pair[1], hand.softness);
            }
            begin = end;
        }
        self.develop(hand, rng, image);
    }

    /// Shaken control points, in the box with centre 0; a doubled point is shaken once, so it stays a corner.
    fn control_points(&mut self, stroke: &[(i8, i8)], hand: &Hand, rng: &mut Rng) {
        self.points.clear();
        for (k, &(x, y)) in stroke.iter().enumerate() {
            let point = match k.checked_sub(1) {
                Some(before) if stroke[before] == (x, y) => self.points[before],
                _ => {
                    let mut shaken = |p: i8| f32::from(p - 50) / 100.0 + hand.shake * rng.normal() as f32;
                    (shaken(x), shaken(y))
                }
            };
            self.points.push(point);
        }
    }

    /// Appends the curve through the control points.
    fn trace(&mut self, hand: &Hand) {
        let p = &self.points;
        let last = p.len() - 1;
        let steps = (last * CUTS) as f32;
        for k in 0..last {
            let (a, b, c, d) = (p[k.saturating_sub(1)], p[k], p[k + 1], p[(k + 2).min(last)]);
            // A corner is a span of no length.
            if b == c {
                continue;
            }
            let cuts = if k + 1 == last { CUTS + 1 } else { CUTS };
            for cut in 0..cuts {
                let t = cut as f32 / CUTS as f32;
                let (x, y) =
                    hand.place((catmull_rom(a.0, b.0, c.0, d.0, t), catmull_rom(a.1, b.1, c.1, d.1, t)));
                let along = (k * CUTS + cut) as f32 / steps - 0.5;
                self.dots.push(Dot { x, y, radius: hand.radius * (1.0 + hand.pressure * along) });
            }
        }
    }

    /// Puts the centre of mass of the dots into the middle of the image, shifts it, and keeps the ink off the border.
    fn centre(&mut self, hand: &Hand) {
        let dx = offset(self.dots.iter().map(|d| d.x), hand.shift.0, hand.radius);
        let dy = offset(self.dots.iter().map(|d| d.y), hand.shift.1, hand.radius);
        self.dots.iter_mut().for_each(|d| (d.x, d.y) = (d.x + dx, d.y + dy));
    }

    /// Distances to grey levels; ink is uneven by a few percent, paper stays white (0).
    fn develop(&self, hand: &Hand, rng: &mut Rng, image: &mut [u8]) {
        let mut bits = 0u32;
        for (k, (pixel, &gap)) in image.iter_mut().zip(&self.gap).enumerate() {
            if k % 4 == 0 {
                bits = rng.next_u32();
            }
            let grain = 1.0 - (bits & 0xFF) as f32 * (0.12 / 255.0);
            bits >>= 8;
            let ink = (0.5 - gap / hand.softness).clamp(0.0, 1.0);
            *pixel = (hand.ink * grain * ink) as u8;
        }
    }
}

/// What to add to these coordinates: their mean to the middle plus `shift`, changed as little as keeps them `radius` and
/// one pixel from the border (if they fit).
fn offset(values: impl ExactSizeIterator<Item = f32>, shift: f32, radius: f32) -> f32 {
    let (n, last) = (values.len() as f32, SIDE as f32 - 1.0);
    let (low, high, sum) =
        values.fold((f32::MAX, f32::MIN, 0.0), |(low, high, sum), v| (v.min(low), v.max(high), sum + v));
    let margin = radius + 1.0;
    let (least, most) = (margin - low, last - margin - high);
    let wanted = last / 2.0 + shift - sum / n;
    if least <= most { wanted.clamp(least, most) } else { 0.5 * (least + most) }
}

/// The curve through b (t = 0) and c (t = 1) with neighbours a and d.
fn catmull_rom(a: f32, b: f32, c: f32, d: f32, t: f32) -> f32 {
    b + 0.5 * t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a)))
}

/// Lowers `gap` around the segment from `a` to `b`.
fn draw_segment(gap: &mut [f32; PIXELS], a: Dot, b: Dot, softness: f32) {
    let radius = 0.5 * (a.radius + b.radius);
    let reach = radius + 0.5 * softness;
    let (left, right) = span(a.x, b.x, reach);
    let (top, bottom) = span(a.y, b.y, reach);
    let (ex, ey) = (b.x - a.x, b.y - a.y);
    let inverse = 1.0 / (ex * ex + ey * ey).max(1e-12);
    for row in top..bottom {
        let py = row as f32 - a.y;
        for (k, g) in gap[row * SIDE..][left..right.max(left)].iter_mut().enumerate() {
            let px = (left + k) as f32 - a.x;
            let t = ((px * ex + py * ey) * inverse).clamp(0.0, 1.0);
            let (dx, dy) = (px - t * ex, py - t * ey);
            let here = (dx * dx + dy * dy).sqrt() - radius;
            *g = if here < *g { here } else { *g };
        }
    }
}

/// Pixels from..to within `reach` of the interval between `a` and `b`, cut at the image.
fn span(a: f32, b: f32, reach: f32) -> (usize, usize) {
    let low = (a.min(b) - reach).clamp(0.0, SIDE as f32);
    let high = (a.max(b) + reach + 1.0).clamp(0.0, SIDE as f32);
    (low.ceil() as usize, high as usize)
}

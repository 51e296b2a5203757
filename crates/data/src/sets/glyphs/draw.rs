/*!
One picture: a shape given by its signed distance, a texture in the shape's own coordinates, a ground.

With q the shape's own coordinates of a pixel and d(q) its distance from the outline (negative inside), the shape covers
clamp(1/2 - d / w, 0, 1) of the pixel, where w is the width of a pixel in q. A texture is a number t(q, d) from 0 to 1 that
mixes the two colours of the shape.
*/

use realign_tensor::Rng;

/// Pixels along a side.
pub(super) const SIDE: usize = 32;
/// Bytes of an image.
pub(super) const PIXELS: usize = 3 * SIDE * SIDE;

type Point = (f32, f32);

/// Signed distances of the shapes; each reaches to about 0.9 from its centre.
pub(super) const SHAPES: [fn(Point) -> f32; 10] =
    [disc, ring, square, triangle, star, cross, crescent, chevrons, wave, bowtie];

/// Textures: from coordinates, distance and a hash of the pixel in [0, 1) to the share of the second colour.
pub(super) const TEXTURES: [fn(Point, f32, f32) -> f32; 10] =
    [plain, stripes, bands, checks, dots, rings, spokes, shade, outline, speckle];

/// Name of every class.
pub(super) const NAMES: [&str; 100] = [
    "plain disc", "stripes disc", "bands disc", "checks disc", "dots disc", "rings disc", "spokes disc",
    "shade disc", "outline disc", "speckle disc", "plain ring", "stripes ring", "bands ring",
    "checks ring", "dots ring", "rings ring", "spokes ring", "shade ring", "outline ring", "speckle ring",
    "plain square", "stripes square", "bands square", "checks square", "dots square", "rings square",
    "spokes square", "shade square", "outline square", "speckle square", "plain triangle",
    "stripes triangle", "bands triangle", "checks triangle", "dots triangle", "rings triangle",
    "spokes triangle", "shade triangle", "outline triangle", "speckle triangle", "plain star",
    "stripes star", "bands star", "checks star", "dots star", "rings star", "spokes star", "shade star",
    "outline star", "speckle star", "plain cross", "stripes cross", "bands cross", "checks cross",
    "dots cross", "rings cross", "spokes cross", "shade cross", "outline cross", "speckle cross",
    "plain crescent", "stripes crescent", "bands crescent", "checks crescent", "dots crescent",
    "rings crescent", "spokes crescent", "shade crescent", "outline crescent", "speckle crescent",
    "plain chevrons", "stripes chevrons", "bands chevrons", "checks chevrons", "dots chevrons",
    "rings chevrons", "spokes chevrons", "shade chevrons", "outline chevrons", "speckle chevrons",
    "plain wave", "stripes wave", "bands wave", "checks wave", "dots wave", "rings wave", "spokes wave",
    "shade wave", "outline wave", "speckle wave", "plain bowtie", "stripes bowtie", "bands bowtie",
    "checks bowtie", "dots bowtie", "rings bowtie", "spokes bowtie", "shade bowtie", "outline bowtie",
    "speckle bowtie",
];

fn length((x, y): Point) -> f32 {
    (x * x + y * y).sqrt()
}

fn disc(p: Point) -> f32 {
    length(p) - 0.8
}

fn ring(p: Point) -> f32 {
    (length(p) - 0.62).abs() - 0.25
}

fn square((x, y): Point) -> f32 {
    x.abs().max(y.abs()) - 0.7
}

fn triangle((x, y): Point) -> f32 {
    // Three half planes around the centre; the tip is at (0, -0.9).
    (y - 0.55).max(0.85 * x.abs() - 0.5 * y - 0.5)
}

fn star(p: Point) -> f32 {
    // Between the outer radius at multiples of 72 degrees and the inner one half-way, linear in the angle.
    let turn = libm::atan2f(p.0, -p.1) * (5.0 / std::f32::consts::TAU);
    let off = 2.0 * (turn - turn.round()).abs();
    0.75 * (length(p) - 0.98 + 0.58 * off)
}

fn cross((x, y): Point) -> f32 {
    let bar = |a: f32, b: f32| (a.abs() - 0.27).max(b.abs() - 0.85);
    bar(x, y).min(bar(y, x))
}

fn crescent((x, y): Point) -> f32 {
    (length((x, y)) - 0.88).max(0.66 - length((x - 0.42, y)))
}

fn chevrons((x, y): Point) -> f32 {
    // Two arrow heads, one above the other, pointing up.
    let head = |y: f32| 0.78 * (y - 0.75 * x.abs()).abs() - 0.17;
    head(y + 0.72).min(head(y - 0.02)).max(x.abs() - 0.8)
}

fn wave((x, y): Point) -> f32 {
    (0.62 * (y - 0.45 * libm::sinf(3.6 * x)).abs() - 0.19).max(x.abs() - 0.92)
}

fn bowtie((x, y): Point) -> f32 {
    (0.75 * (x.abs() - 0.1 - 0.8 * y.abs())).max(y.abs() - 0.8)
}

fn plain(_: Point, _: f32, _: f32) -> f32 {
    0.0
}

/// 0 or 1 by the sign of `v`, softened over a quarter.
fn step(v: f32) -> f32 {
    (0.5 + 2.0 * v).clamp(0.0, 1.0)
}

fn stripes((x, _): Point, _: f32, _: f32) -> f32 {
    step(libm::sinf(11.0 * x))
}

fn bands((_, y): Point, _: f32, _: f32) -> f32 {
    step(libm::sinf(11.0 * y))
}

fn checks((x, y): Point, _: f32, _: f32) -> f32 {
    step(2.0 * libm::sinf(8.0 * x) * libm::sinf(8.0 * y))
}

fn dots((x, y): Point, _: f32, _: f32) -> f32 {
    step(libm::cosf(10.0 * x) + libm::cosf(10.0 * y) - 0.8)
}

fn rings(p: Point, _: f32, _: f32) -> f32 {
    step(libm::sinf(14.0 * length(p)))
}

fn spokes((x, y): Point, _: f32, _: f32) -> f32 {
    step(libm::sinf(6.0 * libm::atan2f(y, x)))
}

fn shade((x, y): Point, _: f32, _: f32) -> f32 {
    (0.5 + 0.55 * (x + y)).clamp(0.0, 1.0)
}

fn outline(_: Point, d: f32, _: f32) -> f32 {
    step(5.0 * (-0.13 - d))
}

fn speckle(_: Point, _: f32, hash: f32) -> f32 {
    if hash < 0.4 { 1.0 } else { 0.0 }
}

/// Red, green, blue from 0 to 1.
type Colour = [f32; 3];

/// Hue, saturation and value, all from 0 to 1, to a colour (the hexagon of Smith, "Color gamut transform pairs", 1978).
fn colour(hue: f32, saturation: f32, value: f32) -> Colour {
    [0.0, 2.0 / 3.0, 1.0 / 3.0].map(|shift| {
        let h = (hue + shift).rem_euclid(1.0) * 6.0;
        let full = ((h - 3.0).abs() - 1.0).clamp(0.0, 1.0);
        value * (1.0 - saturation * (1.0 - full))
    })
}

fn mix(a: Colour, b: Colour, t: f32) -> Colour {
    std::array::from_fn(|c| a[c] + t * (b[c] - a[c]))
}

/// How one example is drawn.
struct Scene {
    /// From pixel coordinates (-1 to 1) to the shape's own: rows (xx, xy), (yx, yy), after the shift.
    matrix: [f32; 4],
    shift: Point,
    /// Amplitude, two frequencies and a phase of the bend.
    bend: [f32; 4],
    inks: [Colour; 2],
    grounds: [Colour; 2],
    /// Direction of the ground's gradient.
    slope: Point,
    strays: [Stray; 2],
    noise: f32,
}

/// A stroke that belongs to no class.
struct Stray {
    from: Point,
    to: Point,
    width: f32,
    ink: Colour,
}

impl Stray {
    fn distance(&self, (x, y): Point) -> f32 {
        let (dx, dy) = (self.to.0 - self.from.0, self.to.1 - self.from.1);
        let along = (x - self.from.0) * dx + (y - self.from.1) * dy;
        let t = (along / (dx * dx + dy * dy).max(1e-6)).clamp(0.0, 1.0);
        length((x - self.from.0 - t * dx, y - self.from.1 - t * dy)) - self.width
    }
}

impl Scene {
    /// The spreads were tuned so that a linear classifier is far from a small convolutional network.
    fn draw(class: usize, rng: &mut Rng) -> Scene {
        let mut within = |low: f64, high: f64| rng.uniform_in(low, high) as f32;
        let shift = (within(-0.28, 0.28), within(-0.28, 0.28));
        let (turn, slant, aspect) = (within(-0.4, 0.4), within(-0.2, 0.2), within(0.85, 1.18));
        let scale = within(0.52, 0.85);
        let bend = [within(0.0, 0.08), within(2.0, 4.5), within(2.0, 4.5), within(0.0, std::f64::consts::TAU)];
        // A hue that the class likes, spread by the golden section, three times in four.
        let liked = (class as f32 * 0.618_034 + within(-0.1, 0.1)).rem_euclid(1.0);
        let hue = if within(0.0, 1.0) < 0.75 { liked } else { within(0.0, 1.0) };
        // The shape is lighter than the ground or darker, and so is its second colour than its first.
        let light = within(0.0, 1.0) < 0.5;
        let bright = within(0.75, 1.0);
        let (ink, other, ground) = if light {
            (bright, within(0.35, 0.55), within(0.1, 0.4))
        } else {
            (within(0.1, 0.3), within(0.45, 0.65), bright)
        };
        let second = hue + within(0.08, 0.45);
        let inks = [colour(hue, within(0.55, 1.0), ink), colour(second, within(0.4, 1.0), other)];
        let ground_hue = within(0.0, 1.0);
        let ground_at = |hue: f32, s: f32, v: f32| colour(hue, s, v.clamp(0.0, 1.0));
        let grounds = [
            ground_at(ground_hue, within(0.0, 0.6), ground + within(-0.12, 0.12)),
            ground_at(ground_hue + within(-0.15, 0.15), within(0.0, 0.6), ground + within(-0.12, 0.12)),
        ];
        let slope = (within(-0.5, 0.5), within(-0.5, 0.5));
        let strays = std::array::from_fn(|_| Stray {
            from: (within(-1.2, 1.2), within(-1.2, 1.2)),
            to: (within(-1.2, 1.2), within(-1.2, 1.2)),
            width: within(0.02, 0.08),
            ink: colour(within(0.0, 1.0), within(0.2, 1.0), within(0.1, 1.0)),
        });
        let noise = within(0.01, 0.06);
        let (sin, cos) = libm::sincosf(turn);
        let (x, y) = (1.0 / (scale * aspect), aspect / scale);
        let matrix = [x * (cos + slant * sin), x * (sin - slant * cos), -y * sin, y * cos];
        Scene { matrix, shift, bend, inks, grounds, slope, strays, noise }
    }

    /// The shape's own coordinates of a point.
    fn own(&self, (x, y): Point) -> Point {
        let (x, y) = (x - self.shift.0, y - self.shift.1);
        let [xx, xy, yx, yy] = self.matrix;
        let (u, v) = (xx * x + xy * y, yx * x + yy * y);
        let [size, a, b, phase] = self.bend;
        (u + size * libm::sinf(a * v + phase), v + size * libm::sinf(b * u + phase))
    }

    fn colour(&self, p: Point, shape: fn(Point) -> f32, texture: fn(Point, f32, f32) -> f32, hash: f32) -> Colour {
        const PIXEL: f32 = 2.0 / SIDE as f32;
        let covers = |d: f32, pixel: f32| (0.5 - d / pixel).clamp(0.0, 1.0);
        let t = (0.5 + self.slope.0 * p.0 + self.slope.1 * p.1).clamp(0.0, 1.0);
        let mut here = mix(self.grounds[0], self.grounds[1], t);
        for stray in &self.strays {
            here = mix(here, stray.ink, covers(stray.distance(p), PIXEL));
        }
        let own = self.own(p);
        let d = shape(own);
        // The width of a pixel in the shape's coordinates.
        let covered = covers(d, PIXEL * self.matrix[3].abs().max(self.matrix[0].abs()));
        if covered == 0.0 {
            return here;
        }
        mix(here, mix(self.inks[0], self.inks[1], texture(own, d, hash)), covered)
    }
}

/// Fills `image` (3 x 32 x 32) with an example of this shape and texture.
pub(super) fn draw(shape: usize, texture: usize, rng: &mut Rng, image: &mut [u8]) {
    let scene = Scene::draw(shape * TEXTURES.len() + texture, rng);
    let at = |k: usize| (2.0 * k as f32 + 1.0) / SIDE as f32 - 1.0;
    for y in 0..SIDE {
        for x in 0..SIDE {
            // Four bytes: one for the speckles, one of noise per channel.
            let bits = rng.next_u32().to_le_bytes().map(|b| (f32::from(b) + 0.5) / 256.0);
            let colour = scene.colour((at(x), at(y)), SHAPES[shape], TEXTURES[texture], bits[3]);
            for c in 0..3 {
                let noise = scene.noise * 3.464 * (bits[c] - 0.5);
                let value = 255.0 * (colour[c] + noise);
                image[(c * SIDE + y) * SIDE + x] = (value + 0.5).clamp(0.0, 255.0) as u8;
            }
        }
    }
}

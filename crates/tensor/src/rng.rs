/*!
Counter-based random tree.

Numbers come from Philox 4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011). A node of the tree is a 64-bit key; `child(name)` hashes the name into a new key. What one
node draws therefore never depends on what any other node drew: the same seed gives the same W, B and batches
under every rule, thread count and device, and a resumed run needs no saved generator state.

Transcendental functions come from `libm`, so that normal numbers have the same bits on every platform.

`docs/reproducing.md` states all of this in words and in numpy, with the branches that a run has, and is tested against this file. None of it may
change: every stored result depends on it.
*/

use crate::{DType, Element, Shape, Tensor};

/// A node of the random tree and a position in its stream.
#[derive(Clone, Debug)]
pub struct Rng {
    key: u64,
    counter: u64,
    block: [u32; 4],
    used: usize,
    spare: Option<f64>,
}

impl Rng {
    /// Root of the tree of `seed`.
    pub fn new(seed: u64) -> Self {
        Rng::at_key(mix(seed ^ 0x005E_ED0F_FEED_BAC6))
    }

    /// The sub-tree called `name`, at its beginning whatever was drawn here before.
    pub fn child(&self, name: &str) -> Rng {
        // FNV-1a over the name, then mixed into the key.
        let hash = name
            .bytes()
            .fold(0xCBF2_9CE4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3));
        Rng::at_key(mix(self.key.rotate_left(17) ^ mix(hash)))
    }

    /// The sub-tree numbered `index` (a step, an epoch, a layer).
    pub fn at(&self, index: u64) -> Rng {
        Rng::at_key(mix(self.key.rotate_left(31) ^ mix(index ^ 0xA11C_E5ED_1DE4_0001)))
    }

    /// The key of this node: whoever has it can draw what is drawn here.
    pub fn key(&self) -> u64 {
        self.key
    }

    fn at_key(key: u64) -> Rng {
        Rng { key, counter: 0, block: [0; 4], used: 4, spare: None }
    }

    /// The next 32 random bits.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            self.block = philox([self.counter as u32, (self.counter >> 32) as u32, 0, 0], self.key);
            self.counter += 1;
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// The stream from behind its next `n` numbers of 32 bits, which are not made: threads draw their parts of one stream.
    pub fn after(&self, n: u64) -> Rng {
        // Numbers drawn so far, in blocks of four of which the last may be half used.
        let at = 4 * self.counter - (4 - self.used as u64) + n;
        let mut rng = Rng { counter: at / 4, used: 4, ..Rng::at_key(self.key) };
        (0..at % 4).for_each(|_| {
            rng.next_u32();
        });
        rng
    }

    /// The next 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        u64::from(self.next_u32()) << 32 | u64::from(self.next_u32())
    }

    /// Uniform in [0, 1), 53 bits.
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in [low, high).
    pub fn uniform_in(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Standard normal (Box-Muller; the second number of each pair is kept for the next call).
    pub fn normal(&mut self) -> f64 {
        if let Some(z) = self.spare.take() {
            return z;
        }
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform()));
        let angle = std::f64::consts::TAU * self.uniform();
        self.spare = Some(radius * libm::sin(angle));
        radius * libm::cos(angle)
    }

    /// Uniform in 0..n, without bias (Lemire 2019).
    ///
    /// # Panics
    /// If `n` is 0.
    #[track_caller]
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "below(0)");
        let n = n as u64;
        loop {
            let wide = u128::from(self.next_u64()) * u128::from(n);
            if wide as u64 >= n.wrapping_neg() % n {
                return (wide >> 64) as usize;
            }
        }
    }

    /// True with this probability.
    pub fn bernoulli(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Fisher-Yates shuffle in place.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    /// A random order of 0..n.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }

    /// A tensor of independent uniforms in [low, high), drawn in f64 and rounded.
    pub fn uniform_tensor(&mut self, shape: impl Into<Shape>, low: f64, high: f64, dtype: DType) -> Tensor {
        self.tensor(shape.into(), dtype, |r| r.uniform_in(low, high))
    }

    /// A tensor of independent normals of mean 0, drawn in f64 and rounded.
    pub fn normal_tensor(&mut self, shape: impl Into<Shape>, sd: f64, dtype: DType) -> Tensor {
        self.tensor(shape.into(), dtype, |r| sd * r.normal())
    }

    fn tensor(&mut self, shape: Shape, dtype: DType, mut draw: impl FnMut(&mut Rng) -> f64) -> Tensor {
        crate::dispatch!(dtype, T => {
            Tensor::from_vec(shape, (0..shape.numel()).map(|_| T::of(draw(self))).collect::<Vec<T>>())
        })
    }
}

/// The finaliser of SplitMix64 (Steele, Lea & Flood 2014): a bijection that spreads every bit.
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn philox(mut c: [u32; 4], key: u64) -> [u32; 4] {
    let (mut k0, mut k1) = (key as u32, (key >> 32) as u32);
    for round in 0..10 {
        if round > 0 {
            k0 = k0.wrapping_add(0x9E37_79B9);
            k1 = k1.wrapping_add(0xBB67_AE85);
        }
        let a = u64::from(c[0]) * 0xD251_1F53;
        let b = u64::from(c[2]) * 0xCD9E_8D57;
        c = [(b >> 32) as u32 ^ c[1] ^ k0, b as u32, (a >> 32) as u32 ^ c[3] ^ k1, a as u32];
    }
    c
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of the authors' reference implementation (Random123, kat_vectors).
    #[test]
    fn philox_matches_published_vectors() {
        assert_eq!(philox([0; 4], 0), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 4], u64::MAX), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let key = 0x299f_31d0_a409_3822;
        let counter = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        assert_eq!(philox(counter, key), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn a_stream_goes_on_behind_what_was_not_drawn() {
        for before in 0..6 {
            for skipped in 0..11 {
                let mut drawn = Rng::new(3).child("skip");
                (0..before).for_each(|_| {
                    drawn.next_u32();
                });
                let mut jumped = drawn.after(skipped);
                (0..skipped).for_each(|_| {
                    drawn.next_u32();
                });
                for _ in 0..6 {
                    assert_eq!(jumped.next_u32(), drawn.next_u32(), "{before} {skipped}");
                }
            }
        }
    }

    #[test]
    fn children_do_not_depend_on_what_was_drawn() {
        let mut a = Rng::new(7);
        let before = a.child("init").next_u64();
        a.next_u64();
        assert_eq!(before, a.child("init").next_u64());
        assert_ne!(before, a.child("feedback").next_u64());
        assert_ne!(a.at(0).next_u64(), a.at(1).next_u64());
    }

    /// Mean 0, variance 1, kurtosis 3: standard errors at n = 200,000 are 0.0022, 0.0032, 0.011; bounds at 5 of them.
    #[test]
    fn normals_have_the_moments_of_a_normal() {
        let mut rng = Rng::new(1);
        let n = 200_000;
        let draws: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
        let moment = |p: i32| draws.iter().map(|z| z.powi(p)).sum::<f64>() / f64::from(n);
        assert!(moment(1).abs() < 0.011, "{}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.016, "{}", moment(2));
        assert!((moment(4) - 3.0).abs() < 0.11, "{}", moment(4));
    }

    /// Chi-square of 10 bins, 9 degrees of freedom: below 33.7 with probability 0.9999.
    #[test]
    fn below_is_uniform() {
        let mut rng = Rng::new(2);
        let mut counts = [0f64; 10];
        (0..100_000).for_each(|_| counts[rng.below(10)] += 1.0);
        let chi2: f64 = counts.iter().map(|c| (c - 1e4) * (c - 1e4) / 1e4).sum();
        assert!(chi2 < 33.7, "{chi2}");
    }

    #[test]
    fn a_permutation_holds_everything_once() {
        let mut p = Rng::new(3).permutation(1000);
        assert_ne!(p, (0..1000).collect::<Vec<_>>());
        p.sort_unstable();
        assert_eq!(p, (0..1000).collect::<Vec<_>>());
    }
}

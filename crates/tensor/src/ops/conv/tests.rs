//! Every way to convolve against the definition, on integers: sums of small integers are exact in f32, so any order of
//! summation must give the same numbers to the last bit.

use super::*;
use crate::{Rng, Tensor};
use proptest::prelude::*;

/// What a case consists of; integers from -3 to 3, so that |sums| < 9 x 8 x 5 x 5 x 6 x 81 < 2^24.
struct Case {
    s: ConvShape,
    n: usize,
    x: Vec<f32>,
    w: Vec<f32>,
    b: Vec<f32>,
    delta: Vec<f32>,
}

impl Case {
    fn new(s: ConvShape, n: usize, seed: u64) -> Case {
        let mut rng = Rng::new(seed);
        let mut draw = |len: usize| (0..len).map(|_| rng.below(7) as f32 - 3.0).collect::<Vec<f32>>();
        let (x, w) = (draw(n * s.in_len()), draw(s.outputs * s.taps()));
        let (b, delta) = (draw(s.outputs), draw(n * s.out_len()));
        Case { s, n, x, w, b, delta }
    }

    /// Calls `f(y, x, w)` with the indices of every product of the definition.
    fn each(&self, mut f: impl FnMut(usize, usize, usize)) {
        let (p, window) = (&self.s.planes, self.s.planes.window);
        let [outputs, channels, kh, kw] = self.s.weight();
        let [height, width] = p.out();
        for n in 0..self.n {
            for o in 0..outputs {
                for i in 0..height {
                    for j in 0..width {
                        for c in 0..channels {
                            for u in 0..kh {
                                for v in 0..kw {
                                    let row = (i * window.stride + u).wrapping_sub(window.padding);
                                    let col = (j * window.stride + v).wrapping_sub(window.padding);
                                    if row < p.size[0] && col < p.size[1] {
                                        let from = o / (outputs / self.s.groups) * channels + c;
                                        f(
                                            ((n * outputs + o) * height + i) * width + j,
                                            ((n * p.channels + from) * p.size[0] + row) * p.size[1] + col,
                                            ((o * channels + c) * kh + u) * kw + v,
                                        );
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn forward(&self) -> Vec<f32> {
        let area = self.s.planes.out_area();
        let mut y: Vec<f32> =
            (0..self.n * self.s.out_len()).map(|i| self.b[i / area % self.s.outputs]).collect();
        self.each(|a, x, w| y[a] += self.w[w] * self.x[x]);
        y
    }

    fn back(&self) -> Vec<f32> {
        let mut dx = vec![0.0; self.x.len()];
        self.each(|a, x, w| dx[x] += self.w[w] * self.delta[a]);
        dx
    }

    fn grad(&self, rows: &Range<usize>) -> Vec<f32> {
        let mut g = vec![0.0; self.w.len()];
        self.each(|a, x, w| g[w] += self.delta[a] * self.x[x]);
        g[rows.start * self.s.taps()..rows.end * self.s.taps()].to_vec()
    }

    /// All three operations in every way there is.
    fn check(&self, rows: Range<usize>, par: Par) -> Result<(), TestCaseError> {
        let want = (self.forward(), self.back(), self.grad(&rows));
        Isa::all().map(Some).chain([None]).try_for_each(|isa| self.check_one(isa, &rows, par, &want))
    }

    /// By the direct kernels of `isa`, or by column matrices.
    fn check_one(
        &self,
        isa: Option<Isa>,
        rows: &Range<usize>,
        par: Par,
        (forward, back, grad): &(Vec<f32>, Vec<f32>, Vec<f32>),
    ) -> Result<(), TestCaseError> {
        let s = &self.s;
        // What was there before must not matter, or be added to.
        let mut y = vec![f32::NAN; self.n * s.out_len()];
        match isa {
            Some(isa) => direct::forward(isa, &mut y, &self.x, &self.w, Some(&self.b), s, par),
            None => im2col::forward(&mut y, &self.x, &self.w, Some(&self.b), s, par),
        }
        prop_assert!(y == *forward, "forward {:?} {:?}", isa, s);
        for accum in [Accum::Replace, Accum::Add] {
            let start = if accum == Accum::Add { 2.0 } else { 0.0 };
            let want: Vec<f32> = back.iter().map(|b| start + b).collect();
            let mut dx = vec![if accum == Accum::Add { 2.0 } else { f32::NAN }; self.x.len()];
            match isa {
                Some(isa) => direct_back::back(isa, &mut dx, accum, &self.delta, &self.w, s, par),
                None => im2col::back(&mut dx, accum, &self.delta, &self.w, s, par),
            }
            prop_assert!(dx == want, "back {:?} {:?} {:?}", isa, accum, s);
        }
        let mut g = vec![f32::NAN; rows.len() * s.taps()];
        let of = (self.n, rows.clone());
        match isa {
            Some(isa) => direct_grad::weight_grad(isa, &mut g, &self.delta, &self.x, of, s, par),
            None => im2col::weight_grad(&mut g, &self.delta, &self.x, of, s, par),
        }
        prop_assert!(g == *grad, "grad {:?} {:?} rows {:?}", isa, s, rows);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, rng_seed: proptest::test_runner::RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_way_is_the_definition(
        channels in 1usize..7, outputs in 1usize..20, height in 1usize..18, width in 1usize..18, kh in 1usize..6, kw in 1usize..6,
        stride in 1usize..4, padding in 0usize..4, groups in 1usize..4, n in 1usize..5, first in 0usize..9, seed in 0u64..1000, threads in 1usize..4
    ) {
        let window = Window { kernel: [kh, kw], stride, padding };
        let shape = ConvShape::new(channels * groups, [height, width], outputs * groups, window, groups);
        prop_assume!(shape.is_ok());
        let case = Case::new(shape.unwrap(), n, seed);
        let rows = first.min(outputs * groups - 1)..outputs * groups;
        case.check(rows, Par::threads(threads))?;
    }
}

/// Shapes beyond the small ones: several blocks of rows, several runs of channels, wide lines, many small examples in one chunk.
#[test]
fn blocks_and_runs_fit_together() {
    for (channels, size, outputs, stride, padding, n) in [
        (40, [50, 30], 35, 1, 1, 1),
        (70, [33, 31], 33, 2, 1, 1),
        (3, [9, 300], 17, 1, 0, 1),
        (18, [5, 6], 65, 1, 2, 13),
        (8, [64, 64], 6, 3, 1, 2),
    ] {
        let s = ConvShape::new(channels, size, outputs, Window::square(3, stride, padding), 1).unwrap();
        Case::new(s, n, 5).check(0..outputs, Par::Seq).unwrap();
    }
}

/// Rounding numbers: the same bits for any number of threads, and for both instruction sets.
#[test]
fn bits_do_not_depend_on_threads_or_width_of_vectors() {
    let mut rng = Rng::new(3);
    for (channels, size, outputs, stride, groups, n) in
        [(16, [16, 16], 32, 1, 1, 9), (6, [13, 11], 20, 2, 2, 5), (3, [32, 32], 24, 1, 1, 3)]
    {
        let s = ConvShape::new(channels, size, outputs, Window::square(3, stride, 1), groups).unwrap();
        let mut draw = |len: usize| -> Vec<f32> { (0..len).map(|_| rng.normal() as f32).collect() };
        let (x, w, delta) = (draw(n * s.in_len()), draw(outputs * s.taps()), draw(n * s.out_len()));
        let mut seen: Vec<[Vec<f32>; 3]> = Vec::new();
        for isa in Isa::all() {
            for par in [Par::Seq, Par::Threads(2), Par::Threads(5)] {
                let (mut y, mut dx, mut g) = (vec![0.0; delta.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
                direct::forward(isa, &mut y, &x, &w, None, &s, par);
                direct_back::back(isa, &mut dx, Accum::Replace, &delta, &w, &s, par);
                direct_grad::weight_grad(isa, &mut g, &delta, &x, (n, 0..outputs), &s, par);
                seen.push([y, dx, g]);
            }
        }
        assert!(seen.windows(2).all(|p| p[0] == p[1]), "{s:?}");
    }
}

/// Tensors of either dtype reach the same sums.
#[test]
fn dtypes_agree() {
    let s = ConvShape::new(4, [9, 8], 6, Window::square(3, 2, 1), 2).unwrap();
    let case = Case::new(s, 3, 7);
    for dtype in [DType::F32, DType::F64] {
        let tensor = |shape: &[usize], v: &[f32]| {
            Tensor::from_f64(
                crate::Shape::new(shape),
                &v.iter().map(|&v| f64::from(v)).collect::<Vec<_>>(),
                dtype,
            )
        };
        let (x, w) = (tensor(&[3, s.in_len()], &case.x), tensor(&s.weight(), &case.w));
        let (b, delta) = (tensor(&[6], &case.b), tensor(&[3, s.out_len()], &case.delta));
        let wide = |v: Vec<f32>| v.into_iter().map(f64::from).collect::<Vec<f64>>();
        let mut y = delta.zeros_like();
        conv2d(&mut y, &x, &w, Some(&b), &s, Par::Seq);
        assert_eq!(y.to_f64_vec(), wide(case.forward()));
        let mut dx = x.zeros_like();
        conv2d_back(&mut dx, Accum::Replace, &delta, &w, &s, Par::Seq);
        assert_eq!(dx.to_f64_vec(), wide(case.back()));
        let mut g = w.zeros_like();
        conv2d_weight_grad(g.slice_mut(), &delta, &x, 0..6, &s, Par::Seq);
        assert_eq!(g.to_f64_vec(), wide(case.grad(&(0..6))));
    }
}

/*!
Facts about the data, per pair of classes.

Linear separability and margin: the hard-margin support vector machine `min ½‖w‖²` subject to `y_i (w.x_i + b) >= 1`, solved by the
interior-point method of the crate clarabel. What it answers is checked by hand: a plane counts if every example is on its side, and the margin is then
the least distance to it; "not separable" counts if the two mixtures of examples in its certificate come closer than 1e-6 of the largest
example, so that the classes' hulls meet (all seen from the mean example). Orthogonal separability (Phuong & Lampert, ICLR 2021): `x_i.x_j > 0` within a class and `<= 0` across.
*/

use clarabel::algebra::CscMatrix;
use clarabel::solver::{DefaultSettingsBuilder, DefaultSolver, IPSolver, NonnegativeConeT};
use realign_tensor::ops::{Accum, MatMut, MatRef, gemm};
use realign_tensor::{DType, Par, Tensor, linalg};
use serde::Serialize;

/// Whether a plane separates two classes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Linear {
    /// A plane does, with this distance of the nearest example.
    Separable {
        /// Geometric margin, in units of the inputs.
        margin: f64,
    },
    /// None does: the hulls of the classes come as near as this.
    NotSeparable {
        /// Distance of two mixtures of examples, one of each class.
        gap: f64,
    },
    /// The solver gave no answer that could be checked.
    Undecided {
        /// What the solver said.
        reason: String,
    },
}

/// Two classes.
#[derive(Clone, Debug, Serialize)]
pub struct Pair {
    /// First class.
    pub a: usize,
    /// Second class.
    pub b: usize,
    /// Whether a plane separates them.
    pub linear: Linear,
    /// Least x_i.x_j within the two classes.
    pub within: f64,
    /// Largest x_i.x_j across them.
    pub across: f64,
}

impl Pair {
    /// Whether the two classes are orthogonally separable.
    pub fn orthogonal(&self) -> bool {
        self.within > 0.0 && self.across <= 0.0
    }
}

/// Looks at every pair of classes. `x` holds one example per row (f64); with `bias`, inner products gain 1, for a constant input that
/// the bias of the first layer reads.
pub fn pairs(x: &Tensor, labels: &[usize], classes: usize, bias: bool, par: Par) -> Vec<Pair> {
    let products = products(x, labels, classes, bias, par);
    // What rounding of a sum of so many products cannot tell from 0 is 0.
    let longest = x.as_slice::<f64>().chunks(x.cols()).map(|r| dot(r, r)).fold(0.0, f64::max);
    let rounding = 0.5 * f64::EPSILON * (x.cols() + 1) as f64 * (longest + f64::from(bias));
    let told = |v: f64| if v.abs() <= rounding { 0.0 } else { v };
    let mut out = Vec::new();
    for a in 0..classes {
        for b in a + 1..classes {
            let of = |c: usize| (0..labels.len()).filter(move |&i| labels[i] == c);
            let (first, second): (Vec<usize>, Vec<usize>) = (of(a).collect(), of(b).collect());
            if first.is_empty() || second.is_empty() {
                continue;
            }
            let within = told(products[a * classes + a].0.min(products[b * classes + b].0));
            let across = told(products[a * classes + b].1);
            out.push(Pair { a, b, linear: linear(x, &first, &second), within, across });
        }
    }
    out
}

/// (least, largest) inner product of examples of every two classes.
fn products(x: &Tensor, labels: &[usize], classes: usize, bias: bool, par: Par) -> Vec<(f64, f64)> {
    const BLOCK: usize = 256;
    let (n, d, values) = (x.rows(), x.cols(), x.as_slice::<f64>());
    let mut out = vec![(f64::INFINITY, f64::NEG_INFINITY); classes * classes];
    let mut block = vec![0.0; BLOCK * n];
    for start in (0..n).step_by(BLOCK) {
        let rows = BLOCK.min(n - start);
        let a = MatRef::new(&values[start * d..(start + rows) * d], rows, d);
        let b = MatRef::new(values, n, d).t();
        gemm(MatMut::new(&mut block[..rows * n], rows, n), Accum::Replace, a, b, 1.0, par);
        for (i, row) in block[..rows * n].chunks(n).enumerate() {
            let own = labels[start + i] * classes;
            for (v, &other) in row.iter().zip(labels) {
                let (least, most) = &mut out[own + other];
                let v = v + f64::from(bias);
                (*least, *most) = (least.min(v), most.max(v));
            }
        }
    }
    out
}

/// The rows `chosen` of `x` as seen from their mean, in coordinates of the space they span if they are fewer than the columns: distances and angles
/// are the same, the solver's work and its rounding (of a common offset) are not.
fn compact(x: &Tensor, chosen: &[usize]) -> Tensor {
    let (n, d, values) = (chosen.len(), x.cols(), x.as_slice::<f64>());
    let mut rows: Vec<f64> = chosen.iter().flat_map(|&i| &values[i * d..(i + 1) * d]).copied().collect();
    let mean = |j: usize| rows.iter().skip(j).step_by(d).sum::<f64>() / n as f64;
    let means: Vec<f64> = (0..d).map(mean).collect();
    rows.chunks_mut(d).for_each(|row| row.iter_mut().zip(&means).for_each(|(x, m)| *x -= m));
    let rows = Tensor::from_vec([n, d], rows);
    if n >= d {
        return rows;
    }
    let basis = linalg::orthonormal(&rows);
    let mut out = Tensor::zeros([n, n], DType::F64);
    let (a, b) = (MatRef::new(rows.as_slice(), n, d), MatRef::new(basis.as_slice(), n, d).t());
    gemm(MatMut::new(out.as_mut_slice::<f64>(), n, n), Accum::Replace, a, b, 1.0, Par::Seq);
    out
}

/// Whether a plane separates two sets of rows of `x`.
pub fn linear(x: &Tensor, first: &[usize], second: &[usize]) -> Linear {
    let x = compact(x, &[first, second].concat());
    let (d, values) = (x.cols(), x.as_slice::<f64>());
    let side = |i: usize| if i < first.len() { 1.0 } else { -1.0 };
    let signed: Vec<(usize, f64)> = (0..x.rows()).map(|i| (i, side(i))).collect();
    let row = |i: usize| &values[i * d..(i + 1) * d];
    let largest = signed.iter().map(|(i, _)| norm(row(*i))).fold(0.0, f64::max);
    if largest == 0.0 {
        return Linear::NotSeparable { gap: 0.0 };
    }
    let (n, scale) = (signed.len(), 1.0 / largest);
    // Columns of the constraints -y_i (w.x_i + b) <= -1 in scaled inputs; the last one is b.
    let mut entries = Vec::with_capacity(n * (d + 1));
    let (mut starts, mut rows) = (vec![0], Vec::with_capacity(n * (d + 1)));
    for j in 0..=d {
        for (r, &(i, y)) in signed.iter().enumerate() {
            let v = if j < d { -y * scale * row(i)[j] } else { -y };
            if v != 0.0 {
                entries.push(v);
                rows.push(r);
            }
        }
        starts.push(entries.len());
    }
    let constraints = CscMatrix::new(n, d + 1, starts, rows, entries);
    // Only w is short; b is free.
    let diagonal = CscMatrix::new(d + 1, d + 1, (0..=d).chain([d]).collect(), (0..d).collect(), vec![1.0; d]);
    let settings = DefaultSettingsBuilder::default().verbose(false).max_iter(200).build();
    let settings = match settings {
        Ok(s) => s,
        Err(e) => return Linear::Undecided { reason: e.to_string() },
    };
    let cone = [NonnegativeConeT(n)];
    let mut solver =
        match DefaultSolver::new(&diagonal, &vec![0.0; d + 1], &constraints, &vec![-1.0; n], &cone, settings)
        {
            Ok(s) => s,
            Err(e) => return Linear::Undecided { reason: e.to_string() },
        };
    solver.solve();
    let (w, b) = solver.solution.x.split_at(d);
    let side = |&(i, y): &(usize, f64)| y * (dot(w, row(i)) * scale + b[0]);
    let least = signed.iter().map(side).fold(f64::INFINITY, f64::min);
    let length = norm(w);
    // The slack of the constraints is 1e-8 of the solver; half of what was asked for is beyond doubt.
    if least > 0.5 && length > 0.0 {
        return Linear::Separable { margin: least / length / scale };
    }
    match gap(&solver.solution.z, &signed, d, &row) {
        Some(gap) if gap * scale < 1e-6 => Linear::NotSeparable { gap },
        _ => Linear::Undecided { reason: format!("{:?}", solver.solution.status) },
    }
}

/// Distance of the mixtures of the two classes with the weights z.
fn gap<'a>(z: &[f64], signed: &[(usize, f64)], d: usize, row: &dyn Fn(usize) -> &'a [f64]) -> Option<f64> {
    let mut difference = vec![0.0; d];
    for side in [1.0, -1.0] {
        let own = || z.iter().zip(signed).filter(|(_, s)| s.1 == side).map(|(z, s)| (z.max(0.0), s.0));
        let total: f64 = own().map(|(z, _)| z).sum();
        if !(total > 0.0 && total.is_finite()) {
            return None;
        }
        for (z, i) in own().filter(|(z, _)| *z > 0.0) {
            difference.iter_mut().zip(row(i)).for_each(|(v, x)| *v += side * z / total * x);
        }
    }
    Some(norm(&difference))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use realign_tensor::Rng;

    fn tensor(rows: &[[f64; 2]]) -> Tensor {
        Tensor::from_f64([rows.len(), 2], &rows.concat(), DType::F64)
    }

    /// Margins known by hand: parallel lines at distance 2; a point against a segment. clarabel's default tolerance is 1e-8.
    #[test]
    fn margins_known_by_hand() {
        let x = tensor(&[[0.0, 1.0], [5.0, 1.0], [2.0, -1.0], [-3.0, -1.0]]);
        let Linear::Separable { margin } = linear(&x, &[0, 1], &[2, 3]) else { panic!("separable") };
        assert!((margin - 1.0).abs() < 1e-6, "{margin}");
        // (3, 4) against the segment from (-1, 0) to (1, 0): nearest point (1, 0), distance sqrt(4 + 16), half of it.
        let x = tensor(&[[3.0, 4.0], [-1.0, 0.0], [1.0, 0.0]]);
        let Linear::Separable { margin } = linear(&x, &[0], &[1, 2]) else { panic!("separable") };
        assert!((margin - 20f64.sqrt() / 2.0).abs() < 1e-6, "{margin}");
        let xor = tensor(&[[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]]);
        assert!(matches!(linear(&xor, &[0, 1], &[2, 3]), Linear::NotSeparable { .. }));
    }

    /// In the plane a separating line exists iff one exists through (almost) two of the points: try every line through two points, nudged to
    /// either side by turning and shifting.
    fn by_brute_force(points: &[[f64; 2]], first: usize) -> bool {
        let sides = |nx: f64, ny: f64, c: f64| {
            let s: Vec<f64> = points.iter().map(|p| nx * p[0] + ny * p[1] - c).collect();
            let (a, b) = s.split_at(first);
            (a.iter().all(|v| *v > 0.0) && b.iter().all(|v| *v < 0.0))
                || (a.iter().all(|v| *v < 0.0) && b.iter().all(|v| *v > 0.0))
        };
        for p in points {
            for q in points {
                let angle = (q[1] - p[1]).atan2(q[0] - p[0]);
                for turn in [-1e-6, 1e-6] {
                    let (nx, ny) = (-(angle + turn).sin(), (angle + turn).cos());
                    // All gaps between neighbouring projections on this normal.
                    let mut along: Vec<f64> = points.iter().map(|r| nx * r[0] + ny * r[1]).collect();
                    along.sort_by(f64::total_cmp);
                    if along.windows(2).any(|w| sides(nx, ny, 0.5 * (w[0] + w[1]))) {
                        return true;
                    }
                }
            }
        }
        false
    }

    /// 300 small clouds, about half of them separable; a random cloud is further from the boundary case than any tolerance here.
    #[test]
    fn decisions_agree_with_brute_force() {
        let mut rng = Rng::new(3);
        let mut counts = [0; 2];
        for _ in 0..300 {
            let n = 4 + rng.below(4);
            let shift = rng.uniform_in(0.0, 3.0);
            let first = n / 2;
            let points: Vec<[f64; 2]> =
                (0..n).map(|i| [rng.normal() + if i < first { shift } else { 0.0 }, rng.normal()]).collect();
            let (a, b): (Vec<usize>, Vec<usize>) = ((0..first).collect(), (first..n).collect());
            let want = by_brute_force(&points, first);
            counts[usize::from(want)] += 1;
            match linear(&tensor(&points), &a, &b) {
                Linear::Separable { margin } => assert!(want && margin > 0.0, "{points:?}"),
                Linear::NotSeparable { .. } => assert!(!want, "{points:?}"),
                Linear::Undecided { reason } => panic!("{reason}: {points:?}"),
            }
        }
        assert!(counts[0] > 50 && counts[1] > 50, "{counts:?}");
    }

    /// Neither an offset common to all examples nor their scale changes an answer, and the margin scales. An offset of 10⁶ leaves 10 digits of the differences.
    #[test]
    fn answers_do_not_depend_on_offset_or_scale() {
        let mut rng = Rng::new(4);
        for _ in 0..60 {
            let shift = rng.uniform_in(0.0, 3.0);
            let points: Vec<[f64; 2]> =
                (0..8).map(|i| [rng.normal() + if i < 4 { shift } else { 0.0 }, rng.normal()]).collect();
            let of = |scale: f64, offset: f64| {
                let moved: Vec<[f64; 2]> = points.iter().map(|p| p.map(|v| scale * v + offset)).collect();
                linear(&tensor(&moved), &[0, 1, 2, 3], &[4, 5, 6, 7])
            };
            for (scale, offset) in [(1.0, 1e6), (1e-6, 0.0), (1e6, -1e9)] {
                match (of(1.0, 0.0), of(scale, offset)) {
                    (Linear::Separable { margin: a }, Linear::Separable { margin: b }) => {
                        assert!((b / scale - a).abs() <= 1e-6 * a.max(1.0), "{a} {b}");
                    }
                    (Linear::NotSeparable { .. }, Linear::NotSeparable { .. }) => {}
                    (a, b) => panic!("{a:?} {b:?} {points:?}"),
                }
            }
        }
    }

    /// In more dimensions than examples everything in general position is separable. Two points: the margin is half their distance.
    #[test]
    fn more_dimensions_than_examples() {
        let x = Rng::new(8).normal_tensor([6, 50], 1.0, DType::F64);
        assert!(matches!(linear(&x, &[0, 1, 2], &[3, 4, 5]), Linear::Separable { .. }));
        let Linear::Separable { margin } = linear(&x, &[0], &[5]) else { panic!("separable") };
        let distance = (0..50).map(|j| (x.at(j) - x.at(250 + j)).powi(2)).sum::<f64>().sqrt();
        assert!((margin - distance / 2.0).abs() < 1e-6 * distance, "{margin} {distance}");
        let twice = Tensor::from_f64(
            [3, 4],
            &[1.0, 2.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 5.0, 5.0, 1.0, 0.0],
            DType::F64,
        );
        assert!(
            matches!(linear(&twice, &[0], &[1, 2]), Linear::NotSeparable { .. }),
            "a point in both classes"
        );
    }

    /// Against a double loop over all examples, exactly up to the order of a sum of four products.
    #[test]
    fn inner_products_agree_with_a_double_loop() {
        let x = Rng::new(5).normal_tensor([70, 4], 1.0, DType::F64);
        let labels: Vec<usize> = (0..70).map(|i| i % 3).collect();
        for bias in [false, true] {
            for p in pairs(&x, &labels, 3, bias, Par::Seq) {
                let (mut within, mut across) = (f64::INFINITY, f64::NEG_INFINITY);
                for i in (0..70).filter(|i| [p.a, p.b].contains(&labels[*i])) {
                    for j in (0..70).filter(|j| [p.a, p.b].contains(&labels[*j])) {
                        let v: f64 =
                            (0..4).map(|k| x.at(i * 4 + k) * x.at(j * 4 + k)).sum::<f64>() + f64::from(bias);
                        if labels[i] == labels[j] { within = within.min(v) } else { across = across.max(v) }
                    }
                }
                assert!((p.within - within).abs() < 1e-13 && (p.across - across).abs() < 1e-13);
            }
        }
    }
}

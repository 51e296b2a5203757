//! How hard the digits are, with classifiers written here.

use super::{PIXELS, images};
use crate::{Bundle, DataConfig, Dataset, Dirs, load};
use realign_tensor::{DType, Par, Rng, Tensor, ops};

/// A plain network of dense layers with ReLU between, softmax cross-entropy, SGD with momentum 0.9, all by hand.
struct Net {
    weights: Vec<Tensor>,
    biases: Vec<Vec<f32>>,
    speeds: Vec<Vec<f32>>,
}

impl Net {
    /// He-normal weights.
    fn new(widths: &[usize], rng: &mut Rng) -> Net {
        let weights: Vec<Tensor> = widths
            .windows(2)
            .map(|w| rng.normal_tensor([w[1], w[0]], (2.0 / w[0] as f64).sqrt(), DType::F32))
            .collect();
        let biases = widths[1..].iter().map(|&n| vec![0.0; n]).collect();
        let speeds = weights.iter().map(|w| vec![0.0; w.numel()]).collect();
        Net { weights, biases, speeds }
    }

    /// Inputs of every layer, and the scores at the end.
    fn forward(&self, x: &Tensor) -> Vec<Tensor> {
        let mut trace = vec![x.clone()];
        for (k, (w, b)) in self.weights.iter().zip(&self.biases).enumerate() {
            let mut z = Tensor::zeros([x.rows(), w.rows()], DType::F32);
            ops::matmul_nt(&mut z, &trace[k], w, Par::Seq);
            let last = k + 1 == self.weights.len();
            for row in z.as_mut_slice::<f32>().chunks_mut(b.len()) {
                row.iter_mut().zip(b).for_each(|(z, b)| *z = if last { *z + b } else { (*z + b).max(0.0) });
            }
            trace.push(z);
        }
        trace
    }

    fn step(&mut self, x: &Tensor, y: &[u32], lr: f32) {
        let mut trace = self.forward(x);
        let mut delta = trace.pop().unwrap();
        softmax_error(&mut delta, y);
        for k in (0..self.weights.len()).rev() {
            let (w, input) = (&self.weights[k], &trace[k]);
            let mut back = input.zeros_like().reshape([input.rows(), w.cols()]);
            ops::matmul_nn(&mut back, ops::Accum::Replace, &delta, w, Par::Seq);
            let alive = input.as_slice::<f32>();
            back.as_mut_slice::<f32>().iter_mut().zip(alive).for_each(|(d, &h)| *d *= f32::from(h > 0.0));
            self.update(k, &delta, input, lr);
            delta = back;
        }
    }

    fn update(&mut self, k: usize, delta: &Tensor, input: &Tensor, lr: f32) {
        let (outputs, d) = (delta.cols(), delta.as_slice::<f32>());
        let mut grad = self.weights[k].zeros_like();
        ops::gemm(
            ops::MatMut::new(grad.as_mut_slice::<f32>(), outputs, input.cols()),
            ops::Accum::Replace,
            ops::MatRef::new(d, delta.rows(), outputs).t(),
            ops::MatRef::new(input.as_slice::<f32>(), input.rows(), input.cols()),
            1.0,
            Par::Seq,
        );
        let w = self.weights[k].as_mut_slice::<f32>();
        for ((w, v), g) in w.iter_mut().zip(&mut self.speeds[k]).zip(grad.as_slice::<f32>()) {
            *v = 0.9 * *v + g;
            *w -= lr * *v;
        }
        for row in d.chunks(outputs) {
            self.biases[k].iter_mut().zip(row).for_each(|(b, d)| *b -= lr * d);
        }
    }

    fn accuracy(&self, data: &Dataset) -> f64 {
        let all: Vec<usize> = (0..data.len()).collect();
        let mut x = Tensor::zeros([data.len(), 784], DType::F32);
        data.gather(&all, &mut x);
        let scores = self.forward(&x).pop().unwrap();
        let best = |row: &[f32]| (0..10).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        let rows = scores.as_slice::<f32>().chunks(10);
        let right = rows.zip(data.labels().unwrap()).filter(|(row, y)| best(row) == **y as usize).count();
        right as f64 / data.len() as f64
    }
}

/// Scores to (softmax - one-hot) / batch.
fn softmax_error(scores: &mut Tensor, y: &[u32]) {
    for (row, &y) in scores.as_mut_slice::<f32>().chunks_mut(10).zip(y) {
        let top = row.iter().copied().fold(f32::MIN, f32::max);
        row.iter_mut().for_each(|z| *z = (*z - top).exp());
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|z| *z /= sum);
        row[y as usize] -= 1.0;
    }
    let n = y.len() as f32;
    scores.as_mut_slice::<f32>().iter_mut().for_each(|d| *d /= n);
}

/// Test accuracy after `epochs` of batches of 64, learning rate falling linearly to 0.
fn train(bundle: &Bundle, widths: &[usize], epochs: usize, lr: f32) -> f64 {
    let mut rng = Rng::new(0).child("test");
    let mut net = Net::new(widths, &mut rng.child("init"));
    let (data, test) = (&bundle.train, bundle.test.as_ref().unwrap());
    let labels = data.labels().unwrap();
    let mut x = Tensor::zeros([64, 784], DType::F32);
    for epoch in 0..epochs {
        for batch in rng.permutation(data.len()).chunks_exact(64) {
            data.gather(batch, &mut x);
            let y: Vec<u32> = batch.iter().map(|&i| labels[i]).collect();
            net.step(&x, &y, lr * (1.0 - epoch as f32 / epochs as f32));
        }
    }
    net.accuracy(test)
}

/// The same classifiers on 10,000 examples of MNIST (subset = 10000, seed 0) reach 91.5 and 96.3 % of its test set.
#[test]
fn digits_are_as_hard_as_mnist() {
    let bundle = load(&DataConfig::new("digits").unwrap(), 0, &Dirs::default()).unwrap();
    let linear = train(&bundle, &[784, 10], 15, 0.005);
    let net = train(&bundle, &[784, 300, 10], 12, 0.03);
    assert!((0.80..=0.93).contains(&linear), "linear classifier {linear}");
    assert!((0.96..=0.99).contains(&net), "two-layer net {net}");
}

#[test]
#[ignore = "takes a minute: the same over five seeds of the data, printed"]
fn digits_over_seeds() {
    for seed in 0..5 {
        let start = std::time::Instant::now();
        let bundle = load(&DataConfig::new("digits").unwrap(), seed, &Dirs::default()).unwrap();
        let seconds = start.elapsed().as_secs_f64();
        let linear = train(&bundle, &[784, 10], 15, 0.005);
        let net = train(&bundle, &[784, 300, 10], 12, 0.03);
        println!("seed {seed}: drawn in {seconds:.3} s, linear {linear:.4}, two-layer {net:.4}");
    }
}

#[test]
fn more_examples_leave_the_earlier_ones_alone() {
    let rng = Rng::new(4);
    assert_eq!(images(Vec::new(), 20, &rng), images(Vec::new(), 50, &rng)[..20 * PIXELS]);
}

/// Golden: the pixels are the same on every machine (only IEEE arithmetic and `libm`). FNV-1a over 200 images.
#[test]
fn pixels_are_the_same_everywhere() {
    let pixels = images(Vec::new(), 200, &Rng::new(2024));
    let hash = pixels.iter().fold(0xCBF2_9CE4_8422_2325_u64, |h, &p| (h ^ u64::from(p)).wrapping_mul(0x100_0000_01B3));
    assert_eq!(hash, 14_777_472_750_302_943_472);
}

/// Every image has ink, none is full, and none of it is cut off by more than a little at the border.
#[test]
fn digits_fit_their_images() {
    let pixels = images(Vec::new(), 3000, &Rng::new(5));
    let mut touching = 0;
    for image in pixels.chunks(PIXELS) {
        let inked = image.iter().filter(|&&p| p > 100).count();
        assert!((10..400).contains(&inked), "{inked} pixels with ink");
        let border = |k: &usize| [0, 27].contains(&(k % 28)) || [0, 27].contains(&(k / 28));
        touching += usize::from((0..PIXELS).filter(border).any(|k| image[k] > 100));
    }
    assert!(touching < 30, "{touching} of 3000 touch the border");
}

use super::*;
use crate::{Bundle, Dirs, load, parse_config};

fn make(text: &str) -> Bundle {
    load(&parse_config(format!("name = 'glyphs'\n{text}").parse().unwrap()).unwrap(), 0, &Dirs::default()).unwrap()
}

fn pixels(set: &Dataset) -> &[u8] {
    let Features::U8 { pixels, .. } = &set.features else { panic!("images") };
    pixels
}

#[test]
fn names_are_those_of_shape_and_texture() {
    let bundle = make("train_size = 200\ntest_size = 100");
    assert_eq!(bundle.class_names.len(), 100);
    assert_eq!((bundle.class_names[0].as_str(), bundle.class_names[13].as_str()), ("plain disc", "checks ring"));
    let mut names = bundle.class_names.clone();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 100);
}

#[test]
fn an_example_depends_on_seed_and_number_alone() {
    let (few, many) = (make("train_size = 150\ntest_size = 1"), make("train_size = 300\ntest_size = 1"));
    assert_eq!(pixels(&few.train), &pixels(&many.train)[..150 * PIXELS]);
    assert_ne!(pixels(&few.train), pixels(&make("train_size = 150\ntest_size = 1\nseed = 1").train));
    // The next example of the same class is another picture, and so is the test set.
    assert_ne!(pixels(&few.train)[..PIXELS], pixels(&few.train)[100 * PIXELS..101 * PIXELS]);
    assert_ne!(pixels(&few.train)[..PIXELS], *pixels(few.test.as_ref().unwrap()));
}

#[test]
fn classes_can_be_drawn_by_seed() {
    let bundle = make("train_size = 1000\ntest_size = 100\nclasses = 7");
    assert_eq!((bundle.train.len(), bundle.train.classes(), bundle.class_names.len()), (70, Some(7), 7));
}

/// Accuracy on the test set of the linear classifier that least squares (with a ridge) gives, solved by conjugate gradients.
fn linear_accuracy(bundle: &Bundle) -> f64 {
    let whole = |set: &Dataset| {
        let mut x = realign_tensor::Tensor::zeros([set.len(), PIXELS], realign_tensor::DType::F64);
        set.gather(&(0..set.len()).collect::<Vec<_>>(), &mut x);
        x.to_f64_vec()
    };
    let classes = bundle.train.classes().unwrap();
    let (x, labels) = (whole(&bundle.train), bundle.train.labels().unwrap());
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let solve = |class: u32| {
        let target: Vec<f64> =
            labels.iter().map(|&l| f64::from(u8::from(l == class)) - 1.0 / classes as f64).collect();
        let normal = |w: &[f64]| {
            let ridge = 0.3 * labels.len() as f64;
            let mut out: Vec<f64> = w.iter().map(|w| ridge * w).collect();
            for row in x.chunks_exact(PIXELS) {
                let s = dot(row, w);
                out.iter_mut().zip(row).for_each(|(o, r)| *o += s * r);
            }
            out
        };
        let mut r = vec![0.0; PIXELS];
        for (row, t) in x.chunks_exact(PIXELS).zip(&target) {
            r.iter_mut().zip(row).for_each(|(r, v)| *r += t * v);
        }
        let (mut w, mut p, mut rr) = (vec![0.0; PIXELS], r.clone(), dot(&r, &r));
        for _ in 0..25 {
            let ap = normal(&p);
            let alpha = rr / dot(&p, &ap);
            w.iter_mut().zip(&p).for_each(|(w, p)| *w += alpha * p);
            r.iter_mut().zip(&ap).for_each(|(r, a)| *r -= alpha * a);
            let next = dot(&r, &r);
            p.iter_mut().zip(&r).for_each(|(p, r)| *p = r + next / rr * *p);
            rr = next;
        }
        w
    };
    let weights: Vec<Vec<f64>> = (0..classes as u32).map(solve).collect();
    let test = bundle.test.as_ref().unwrap();
    let right = whole(test)
        .chunks_exact(PIXELS)
        .zip(test.labels().unwrap())
        .filter(|(row, l)| {
            let scores: Vec<f64> = weights.iter().map(|w| dot(w, row)).collect();
            (0..classes).all(|c| scores[c] <= scores[**l as usize])
        })
        .count();
    right as f64 / test.len() as f64
}

/// Neither trivial nor hopeless for a linear classifier: well above chance (10 %), well below what shape and texture would
/// give.
#[test]
fn a_linear_classifier_sees_a_little() {
    let accuracy = linear_accuracy(&make("train_size = 8000\ntest_size = 4000\nclasses = 10"));
    assert!((0.15..0.60).contains(&accuracy), "{accuracy}");
}

use super::*;
use crate::{Dirs, Targets, load, parse_config};
use realign_tensor::{DType, Shape};

fn parse(text: &str) -> Result<Augment, ConfigError> {
    let table: toml::Table = format!("a = {text}").parse().unwrap();
    Augment::parse(table["a"].clone())
}

#[test]
fn tables_are_checked_key_by_key() {
    assert_eq!(parse("{ pad = 4, flip = true }").unwrap(), Augment { pad: 4, flip: true });
    assert_eq!(parse("{ flip = true }").unwrap(), Augment { pad: 0, flip: true });
    for (text, key, part) in [
        ("true", "augment", "a table like"),
        ("{ pad = -1 }", "augment.pad", "from 0 to"),
        ("{ pad = 1.5 }", "augment.pad", "got 1.5"),
        ("{ flip = 1 }", "augment.flip", "true or false"),
        ("{ flop = true }", "augment.flop", "did you mean \"flip\"?"),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.key, key, "{text}");
        assert!(error.message.contains(part), "{text}: {error}");
    }
}

/// Two colour images of 3 x 4 with all pixels different from 0.
fn images() -> Dataset {
    let pixels = (0..72).map(|i| 1 + i * 3).collect();
    Dataset {
        name: "test/train".into(),
        features: Features::U8 { pixels, mean: vec![0.5, 0.25, 0.0], sd: vec![0.5, 2.0, 1.0] },
        targets: Targets::Classes { labels: vec![0, 1], classes: 2 },
        example_shape: Shape::new(&[3, 3, 4]),
    }
}

/// The definition, pixel by pixel: build the padded image, cut, mirror, normalise.
fn naive(data: &Dataset, example: usize, view: View, pad: usize) -> Vec<f64> {
    let Features::U8 { pixels, mean, sd } = &data.features else { panic!("images") };
    let (height, width) = (3, 4);
    let mut out = Vec::new();
    for c in 0..3 {
        let mut padded = vec![vec![0u8; width + 2 * pad]; height + 2 * pad];
        for y in 0..height {
            for x in 0..width {
                padded[y + pad][x + pad] = pixels[example * 36 + c * 12 + y * width + x];
            }
        }
        let (top, left) = ((view.down + pad as isize) as usize, (view.right + pad as isize) as usize);
        for y in 0..height {
            let mut row: Vec<u8> = padded[top + y][left..left + width].to_vec();
            if view.mirror {
                row.reverse();
            }
            out.extend(row.iter().map(|&p| (f64::from(p) / 255.0 - f64::from(mean[c])) / f64::from(sd[c])));
        }
    }
    out
}

/// Every crop and both directions against the definition; both round once, so equality is exact.
#[test]
fn all_views_are_the_definition() {
    let data = images();
    let mut x = Tensor::zeros([1, 36], DType::F64);
    for down in -2..=2 {
        for right in -2..=2 {
            for mirror in [false, true] {
                let view = View { down, right, mirror };
                data.gather_views(&[1], &mut x, |_| view);
                assert_eq!(x.to_f64_vec(), naive(&data, 1, view, 2), "{view:?}");
            }
        }
    }
}

/// 2 x 25 views, all with the same chance: chi-square of 49 degrees of freedom, below 94 with probability 0.9999.
#[test]
fn views_are_uniform() {
    let augment = Augment { pad: 2, flip: true };
    let rng = Rng::new(5).child("augment");
    let mut counts = [0f64; 50];
    for i in 0..50_000 {
        let view = augment.draw(&mut rng.at(i));
        counts[(view.down + 2) as usize * 10 + (view.right + 2) as usize * 2 + usize::from(view.mirror)] +=
            1.0;
    }
    let chi2: f64 = counts.iter().map(|c| (c - 1000.0) * (c - 1000.0) / 1000.0).sum();
    assert!(chi2 < 94.0, "{chi2}");
}

fn digits(augment: &str) -> Bundle {
    let text = format!("name = 'digits'\ntrain_size = 30\ntest_size = 1\n{augment}");
    load(&parse_config(text.parse().unwrap()).unwrap(), 0, &Dirs::default()).unwrap()
}

#[test]
fn batches_repeat_with_their_branch_and_differ_between_branches() {
    let bundle = digits("augment = { pad = 3, flip = true }");
    let gather = |branch: u64| {
        let mut x = Tensor::zeros([3, 784], DType::F32);
        bundle.gather_train(&[4, 4, 9], &mut x, &Rng::new(branch).child("augment"));
        x.to_f64_vec()
    };
    assert_eq!(gather(1), gather(1));
    assert_ne!(gather(1), gather(2));
    // The same example twice in one batch is not changed in the same way (seed 1).
    assert_ne!(gather(1)[..784], gather(1)[784..1568]);
}

#[test]
fn nothing_asked_for_changes_nothing() {
    let rng = Rng::new(0);
    let (mut x, mut y) = (Tensor::zeros([2, 784], DType::F32), Tensor::zeros([2, 784], DType::F32));
    for text in ["", "augment = { pad = 0 }"] {
        let bundle = digits(text);
        bundle.gather_train(&[3, 1], &mut x, &rng);
        bundle.train.gather(&[3, 1], &mut y);
        assert_eq!(x.to_f64_vec(), y.to_f64_vec());
    }
}

#[test]
fn vectors_and_too_much_padding_are_refused() {
    let error = |text: &str| {
        let config = parse_config(text.parse().unwrap()).unwrap();
        load(&config, 0, &Dirs::default()).unwrap_err().to_string()
    };
    let text = error("name = 'gaussians'\naugment = { flip = true }");
    assert!(text.starts_with("data.augment: ") && text.contains("only images"), "{text}");
    let text = error("name = 'digits'\ntrain_size = 1\naugment = { pad = 28 }");
    assert!(text.starts_with("data.augment.pad: 28 black pixels") && text.contains("28x28"), "{text}");
}

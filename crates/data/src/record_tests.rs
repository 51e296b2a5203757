//! The text of `data.json`: small, exact, and readable whether an older version or this one wrote it.

use super::*;
use crate::{DataConfig, Dirs, load};
use realign_tensor::Rng;

fn record(text: &str) -> DataRecord {
    let config: DataConfig =
        format!("name = 'digits'\n{text}").parse::<toml::Table>().unwrap().try_into().unwrap();
    load(&config, 3, &Dirs::default()).unwrap().record
}

/// What a reader who knows only the documented rule makes of a list.
fn spelled_out(list: &Value) -> Vec<usize> {
    let number = |v: &Value| v.as_u64().unwrap() as usize;
    let part = |v: &Value| match v.as_array() {
        Some(pair) => (number(&pair[0])..number(&pair[1]) + 1).collect(),
        None => vec![number(v)],
    };
    list.as_array().unwrap().iter().flat_map(part).collect()
}

/// Random subsets of every density, empty and whole ones: the record comes back, and the plain rule gives the same positions.
#[test]
fn random_subsets_survive_their_short_form() {
    let whole = record("train_size = 300\ntest_size = 10");
    let mut rng = Rng::new(11);
    for k in 0..200 {
        let density = f64::from(k) / 199.0;
        let mut pick = || (0..500).filter(|_| rng.bernoulli(density)).collect::<Vec<usize>>();
        let record = DataRecord {
            train_indices: pick(),
            validation_indices: pick(),
            test_indices: (k % 3 > 0).then(&mut pick),
            ..whole.clone()
        };
        let text = record.to_json();
        assert_eq!(DataRecord::from_json(text.as_bytes()).unwrap(), record);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(spelled_out(&value["train_indices"]), record.train_indices);
        assert_eq!(spelled_out(&value["validation_indices"]), record.validation_indices);
        assert_eq!(value["test_indices"].is_null(), record.test_indices.is_none());
        // A list of numbers, as older versions wrote it, is read as well.
        let mut old = value.clone();
        old["train_indices"] = serde_json::json!(record.train_indices);
        old.as_object_mut().unwrap().remove("format");
        assert_eq!(DataRecord::from_json(old.to_string().as_bytes()).unwrap(), record);
    }
}

/// 60,000 examples in a row took 700 kB; a run of two is written as two numbers, one of three as a pair.
#[test]
fn a_whole_set_is_one_pair() {
    let mut record = record("train_size = 30\ntest_size = 10");
    record.train_indices = (0..60_000).collect();
    record.validation_indices = vec![0, 1, 4, 5, 6, 9];
    let text = record.to_json();
    assert!(text.contains("\"train_indices\": [[0,59999]],\n"), "{text}");
    assert!(text.contains("\"validation_indices\": [0,1,[4,6],9]"), "{text}");
    assert!(text.len() < 1000, "{} bytes", text.len());
}

/// The constants are f32 and used as f64: what Python, which knows f64 alone, reads must be that number. 0.1 as an f32 is
/// 13421773 / 2^27 = 0.100000001490116119384765625.
#[test]
fn constants_are_written_as_they_are_used() {
    let mut record = record("train_size = 30\ntest_size = 10");
    (record.mean, record.sd) = (vec![0.1], vec![0.3]);
    let text = record.to_json();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["mean"][0].as_f64().unwrap(), 13_421_773.0 / 134_217_728.0);
    assert_eq!(value["sd"][0].as_f64().unwrap(), f64::from(0.3f32));
    assert_eq!(DataRecord::from_json(text.as_bytes()).unwrap(), record);
    let short = text.replace("0.10000000149011612", "0.1");
    assert_ne!(short, text);
    assert_eq!(DataRecord::from_json(short.as_bytes()).unwrap(), record);
}

#[test]
fn what_is_no_record_is_refused_with_a_reason() {
    let text = record("train_size = 30\ntest_size = 10").to_json();
    let list = "\"train_indices\": [[0,29]]";
    assert!(text.contains(list), "{text}");
    for (there, instead, part) in [
        ("\"format\": 2", "\"format\": 3", "format 3; this version reads 1 to 2"),
        ("\"format\": 2", "\"format\": \"two\"", "format \"two\""),
        (list, "\"train_indices\": [3,[3,5]]", "positions must ascend"),
        (list, "\"train_indices\": [[5,4]]", "positions must ascend"),
        (list, "\"train_indices\": [[0,1000000000000000000]]", "below 100000000"),
        (list, "\"train_indices\": [[0,1,2]]", "line 1"),
        ("\"seed\":", "\"sead\":", "missing field `seed`"),
    ] {
        let changed = text.replace(there, instead);
        assert_ne!(changed, text, "{there}");
        let error = DataRecord::from_json(changed.as_bytes()).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
    assert!(DataRecord::from_json(&text.as_bytes()[..40]).is_err());
    // The largest position that is taken, and the first that is not.
    let with = |last: &str| text.replace(list, &format!("\"train_indices\": [{last}]"));
    assert!(DataRecord::from_json(with("99999999").as_bytes()).is_ok());
    assert!(DataRecord::from_json(with("100000000").as_bytes()).is_err());
}

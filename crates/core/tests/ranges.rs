//! Every option of every registry declares its range: just inside its ends it is accepted, just outside refused, and defaults lie in it.
//! The ends themselves are stated once more in `crates/lab/tests/ranges.rs`, by hand.
#![allow(missing_docs)]

use realign::init::{FEEDBACKS, FeedbackInit, INITS, WEIGHTS, WeightInit, feedback_options};
use realign::layer::ACTIVATIONS;
use realign::loss::LOSSES;
use realign::model::MODELS;
use realign::optim::{OPTIMIZERS, SCHEDULES};
use realign::probes::PROBES;
use realign::registry::{Allowed, Entry, Opt};
use realign::rules::RULES;
use realign::{ConfigError, init::SCALE};
use std::ops::Bound::{Excluded, Included, Unbounded};
use toml::{Table, Value};

/// What an option must have beside it to be usable at all.
fn companions(name: &str, option: &str) -> Table {
    let text = match (name, option) {
        ("mlp", "widths") | ("flow", "t_end") | ("cosine", "cosine") => "",
        ("mlp", _) => "widths = [4, 2]",
        ("flow", _) => "t_end = 1.0",
        ("sgd", "nesterov") => "momentum = 0.5",
        ("convnet", "stages") => "depth = 16",
        ("convnet", "depth") => "stages = 1",
        _ => "",
    };
    text.parse().unwrap()
}

/// Values just inside and just outside the ends, and what is never allowed.
fn near(allowed: &Allowed) -> (Vec<Value>, Vec<Value>) {
    let word = |w: &str| Value::from(w);
    let never = || vec![Value::Float(f64::NAN), Value::Float(f64::INFINITY), Value::Float(f64::NEG_INFINITY)];
    let (mut good, mut bad) = (vec![], never());
    match allowed {
        Allowed::Size(from, to) => {
            good.extend([*from, *to].map(|n| Value::Integer(n as i64)));
            bad.push(Value::Integer(*from as i64 - 1));
            bad.extend(i64::try_from(*to).unwrap().checked_add(1).map(Value::Integer));
            bad.extend([Value::Float(*from as f64 + 0.5), word("1"), Value::Boolean(true)]);
        }
        Allowed::Real(from, to) => {
            match from {
                Included(a) => {
                    good.push(Value::Float(*a));
                    bad.push(Value::Float(a.next_down()));
                }
                Excluded(a) => {
                    good.push(Value::Float(a.next_up()));
                    bad.push(Value::Float(*a));
                }
                Unbounded => good.push(Value::Float(f64::MIN)),
            }
            match to {
                Included(b) => {
                    good.push(Value::Float(*b));
                    bad.push(Value::Float(b.next_up()));
                }
                Excluded(b) => {
                    good.push(Value::Float(b.next_down()));
                    bad.push(Value::Float(*b));
                }
                Unbounded => good.push(Value::Float(f64::MAX)),
            }
            bad.extend([word("0.5"), Value::Boolean(true), Value::Array(vec![])]);
        }
        Allowed::Flag => {
            good.extend([Value::Boolean(true), Value::Boolean(false)]);
            bad.extend([word("true"), Value::Integer(1)]);
        }
        Allowed::Word(words) => {
            good.extend(words.iter().map(|w| word(w)));
            bad.extend([word(""), word(&format!("{}x", words[0])), Value::Integer(0)]);
        }
        Allowed::List(least, each) => {
            let (g, b) = near(each);
            let list = |v: &Value, n: usize| Value::Array(vec![v.clone(); n]);
            good.extend(g.iter().map(|v| list(v, (*least).max(1))));
            bad.extend(b.iter().map(|v| list(v, (*least).max(1))));
            bad.extend(least.checked_sub(1).map(|n| list(&g[0], n)));
            bad.push(g[0].clone());
        }
        Allowed::Either(kinds) => {
            let all: Vec<_> = kinds.iter().map(near).collect();
            good.extend(all.iter().flat_map(|(g, _)| g.clone()));
            let fits = |v: &Value| kinds.iter().any(|k| k.check("", v).is_ok());
            bad.extend(all.iter().flat_map(|(_, b)| b.clone()).filter(|v| !fits(v)));
        }
        Allowed::Path => good.push(word("x")),
        Allowed::Form(words, _) if words.contains("cadence") => {
            good.extend(["3 steps", "0.5 epochs", "log", "end"].map(word));
            bad.extend(["0 steps", "nan epochs", "inf epochs", "-1 epochs", "often"].map(word));
            bad.push(Value::Integer(3));
        }
        Allowed::Form(words, _) if words.contains("realign layers") => {
            good.extend([word("tanh"), Value::Table("name = 'leaky_relu'\nslope = 0".parse().unwrap())]);
            bad.extend([word("tanhh"), Value::Table("name = 'leaky_relu'\nslope = 1".parse().unwrap())]);
        }
        other => panic!("say here what is near the ends of {other:?}"),
    }
    (good, bad)
}

/// Goes through one list of options with `make` building the thing from its table.
fn conforms(name: &str, options: &[Opt], make: &dyn Fn(Table) -> Result<(), ConfigError>, count: &mut usize) {
    for option in options {
        let with = |value: &Value| {
            let mut table = companions(name, option.name);
            table.insert(option.name.to_owned(), value.clone());
            make(table)
        };
        let (good, bad) = near(&option.allowed);
        for value in good {
            with(&value).unwrap_or_else(|e| panic!("{name}.{} = {value} is refused: {e}", option.name));
        }
        for value in bad {
            let e = with(&value).err().unwrap_or_else(|| panic!("{name}.{} = {value} runs", option.name));
            assert!(e.key == option.name || e.key.starts_with(&format!("{}.", option.name)), "{e}");
            assert!(e.message.len() > 10, "{e}");
        }
        if !option.default.is_empty() {
            let default: Value = option.default.parse().unwrap_or_else(|e| panic!("{}: {e}", option.default));
            option.allowed.check(option.name, &default).unwrap_or_else(|e| panic!("{name}: {e}"));
        } else {
            let e = make(Table::new()).unwrap_err();
            assert!(e.key == option.name && e.message.contains("missing"), "{e}");
        }
        assert!(!option.allowed.to_string().is_empty());
        *count += 1;
    }
}

fn entries<T: ?Sized>(entries: &[Entry<T>], count: &mut usize) {
    for e in entries {
        conforms(e.name, e.options, &|t| e.make(t).map(drop), count);
    }
}

#[test]
fn every_option_keeps_to_its_range() {
    let mut n = 0;
    entries(RULES, &mut n);
    entries(LOSSES, &mut n);
    entries(OPTIMIZERS, &mut n);
    entries(SCHEDULES, &mut n);
    entries(MODELS, &mut n);
    entries(ACTIVATIONS, &mut n);
    entries(PROBES, &mut n);
    // The numbers of options that the registries had when this was written; a registry that loses its list is noticed.
    assert!(n >= 55, "{n}");
}

#[test]
fn initialisers_keep_to_their_ranges() {
    let mut n = 0;
    let named = |name: &str, mut t: Table| {
        t.insert("name".into(), Value::from(name));
        t
    };
    for name in INITS.iter().map(|i| i.name).chain(WEIGHTS.iter().map(|w| w.0)) {
        conforms(
            name,
            &[SCALE],
            &|t| WeightInit::parse(Some(named(name, t)), None).map(drop).map_err(below),
            &mut n,
        );
    }
    for name in INITS.iter().map(|i| i.name) {
        conforms(
            name,
            &[SCALE],
            &|t| WeightInit::parse(None, Some(named(name, t))).map(drop).map_err(below),
            &mut n,
        );
    }
    for name in INITS.iter().map(|i| i.name).chain(FEEDBACKS.iter().map(|f| f.0)) {
        let make = |mut t: Table| {
            if name == "cosine" && t.contains_key("scale") {
                t.insert("cosine".into(), Value::Float(0.5));
            }
            FeedbackInit::parse(named(name, t)).map(drop)
        };
        conforms(name, feedback_options(name), &make, &mut n);
    }
    assert_eq!(n, 2 * INITS.len() + WEIGHTS.len() + INITS.len() + 1 + 2 + 2);
}

/// The key without `weight.` or `bias.`, which [`WeightInit::parse`] puts before it.
fn below(e: ConfigError) -> ConfigError {
    let key = e.key.split_once('.').map_or(e.key.clone(), |(_, key)| key.to_owned());
    ConfigError { key, ..e }
}

/// Layers that no spec names by themselves declare theirs too.
#[test]
fn listed_layers_declare_ranges() {
    for layer in realign::layer::descriptions() {
        for option in layer.options {
            let default: Value = option.default.parse().unwrap();
            option.allowed.check(option.name, &default).unwrap();
            let (_, bad) = near(&option.allowed);
            assert!(bad.iter().all(|v| option.allowed.check(option.name, v).is_err()), "{}", layer.name);
        }
    }
}

//! One run's table, checked, with every default filled in: the text that is hashed into the run's id.

use super::keys;
use super::places::{Places, SpecError};
use realign::init::{FeedbackInit, WeightInit, feedback_options};
use realign::registry::{Entry, Opt, build};
use realign::{ConfigError, loss, model, optim, rules};
use realign_theory::probes;
use toml::{Table, Value};

/// Every key a spec may have at the top.
pub(crate) const TOP: &[&str] = &[
    "name",
    "seed",
    "data",
    "network",
    "init",
    "rule",
    "loss",
    "optimizer",
    "train",
    "probes",
    "grid",
    "per_rule",
    "tune",
];

/// No network has more weights than this; a slip of the fingers does, and the memory for it is asked for at once.
const MOST_WEIGHTS: usize = 1 << 34;

/// Checks a run's table and fills in its defaults.
pub(crate) fn resolve(tree: &Table, p: &Places) -> Result<Table, SpecError> {
    keys::known(tree, "", TOP, p)?;
    let mut out = Table::new();
    keys::check(keys::TOP, tree, "", p)?;
    out.insert("name".into(), tree["name"].clone());
    out.insert("seed".into(), tree.get("seed").cloned().unwrap_or(Value::Integer(0)));

    let data = section(tree, "data", "name", p)?.ok_or_else(|| missing("data", p))?;
    let config =
        realign_data::parse_config(data).map_err(|e| p.error(&format!("data.{}", e.key), e.message))?;
    let data = Table::try_from(&config).map_err(|e| p.error("data", e.to_string()))?;
    out.insert("data".into(), Value::Table(data));

    let rule = section(tree, "rule", "name", p)?.ok_or_else(|| missing("rule", p))?;
    let rule = component(rules::RULES, "rule", "rule", rule, p)?;
    let loss = section(tree, "loss", "name", p)?.unwrap_or_else(|| named("cross_entropy"));
    let loss = component(loss::LOSSES, "loss", "loss", loss, p)?;
    let network = network(tree, p)?;
    out.insert("rule".into(), Value::Table(rule));
    out.insert("loss".into(), Value::Table(loss));
    out.insert("network".into(), Value::Table(network));
    out.insert("init".into(), Value::Table(init(tree, p)?));
    out.insert("optimizer".into(), Value::Table(optimizer(tree, p)?));
    out.insert("train".into(), Value::Table(train(tree, p)?));
    out.insert("probes".into(), probe_list(tree, p)?);
    Ok(out)
}

fn missing(key: &str, p: &Places) -> SpecError {
    p.error(key, format!("missing section [{key}]"))
}

fn expected(key: &str, what: &str, got: &Value, p: &Places) -> SpecError {
    p.error(key, format!("expected {what}, got {}", got.type_str()))
}

fn named(name: &str) -> Table {
    Table::from_iter([("name".to_owned(), Value::from(name))])
}

/// A part of which only options were given is the usual one with these options.
fn default_name(table: Option<Table>, name: &str) -> Table {
    let mut table = table.unwrap_or_default();
    table.entry("name").or_insert_with(|| Value::from(name));
    table
}

/// A section as a table; a plain word is short for its name.
fn section(tree: &Table, key: &str, name_key: &str, p: &Places) -> Result<Option<Table>, SpecError> {
    sub(tree.get(key), key, name_key, p)
}

fn sub(value: Option<&Value>, path: &str, name_key: &str, p: &Places) -> Result<Option<Table>, SpecError> {
    match value {
        None => Ok(None),
        Some(Value::Table(t)) => Ok(Some(t.clone())),
        Some(Value::String(s)) => {
            Ok(Some(Table::from_iter([(name_key.to_owned(), Value::from(s.as_str()))])))
        }
        Some(other) => Err(expected(path, "a table", other, p)),
    }
}

/// Writes defaults that a table does not give, and whole numbers as the floats they stand for.
fn fill(table: &mut Table, options: &[Opt]) {
    for option in options {
        let Ok(default) = option.default.parse::<Value>() else { continue };
        match (table.get(option.name), &default) {
            (None, _) => drop(table.insert(option.name.to_owned(), default)),
            // 1 and 1.0 are the same rate, so they must be the same run.
            (Some(Value::Integer(i)), Value::Float(_)) => {
                let x = *i as f64;
                table.insert(option.name.to_owned(), Value::Float(x));
            }
            _ => {}
        }
    }
}

fn component<T: ?Sized>(
    entries: &[Entry<T>],
    kind: &str,
    path: &str,
    mut table: Table,
    p: &Places,
) -> Result<Table, SpecError> {
    let name = table.get("name").and_then(Value::as_str);
    if let Some(entry) = entries.iter().find(|e| Some(e.name) == name) {
        fill(&mut table, entry.options);
    }
    build(entries, kind, table.clone()).map_err(|e| p.config(path, e))?;
    Ok(table)
}

fn network(tree: &Table, p: &Places) -> Result<Table, SpecError> {
    let mut table = section(tree, "network", "model", p)?.ok_or_else(|| missing("network", p))?;
    table.entry("model").or_insert_with(|| Value::from("mlp"));
    let model = table["model"].as_str();
    if let Some(info) = model::MODELS.iter().find(|m| Some(m.name) == model) {
        fill(&mut table, info.options);
    }
    // The data are not there yet: whether they fit is checked by `setup`.
    let ends = table.get("widths").and_then(Value::as_array).and_then(|w| {
        let end = |v: Option<&Value>| v.and_then(Value::as_integer).and_then(|i| usize::try_from(i).ok());
        Some((end(w.first())?, end(w.last())?))
    });
    let (inputs, outputs): (usize, usize) = ends.unwrap_or((1, 1));
    if inputs.saturating_mul(outputs).max(weights(&table)) > MOST_WEIGHTS {
        let message = format!("more than {MOST_WEIGHTS} weights: far too wide to fit in memory");
        return Err(p.error("network.widths", message));
    }
    model::parse(table.clone()).map_err(|e| p.config("network", e))?;
    Ok(table)
}

/// Weights between the `widths` of a network; 0 if they are not a list of sizes, which its model complains about.
fn weights(network: &Table) -> usize {
    let widths = network.get("widths").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let size = |v: &Value| v.as_integer().and_then(|i| usize::try_from(i).ok()).unwrap_or(0);
    widths.windows(2).fold(0, |sum, pair| sum.saturating_add(size(&pair[0]).saturating_mul(size(&pair[1]))))
}

fn init(tree: &Table, p: &Places) -> Result<Table, SpecError> {
    let given = section(tree, "init", "weight", p)?.unwrap_or_default();
    keys::known(&given, "init", &["weight", "bias", "feedback"], p)?;
    let part = |key: &str| sub(given.get(key), &format!("init.{key}"), "name", p);
    let with_scale = |mut table: Table, parse: &dyn Fn(Table) -> Result<(), ConfigError>| {
        match table.get("scale") {
            Some(Value::Integer(i)) => drop(table.insert("scale".into(), Value::Float(*i as f64))),
            Some(_) => {}
            None => {
                let mut scaled = table.clone();
                scaled.insert("scale".into(), Value::Float(1.0));
                // Not every distribution takes a scale.
                if parse(scaled.clone()).is_ok() {
                    table = scaled;
                }
            }
        }
        parse(table.clone()).map(|()| table).map_err(|e| p.config("init", e))
    };
    let weight = default_name(part("weight")?, "xavier_uniform");
    let weight = with_scale(weight, &|t| WeightInit::parse(Some(t), None).map(drop))?;
    let implied = if weight.get("name").and_then(Value::as_str) == Some("torch_default") {
        "torch_default"
    } else {
        "zeros"
    };
    let bias = default_name(part("bias")?, implied);
    let bias = with_scale(bias, &|t| WeightInit::parse(None, Some(t)).map(drop))?;
    let mut feedback = default_name(part("feedback")?, "xavier_uniform");
    let name = feedback.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    fill(&mut feedback, feedback_options(&name));
    let feedback =
        with_scale(feedback, &|t| FeedbackInit::parse(t).map(drop).map_err(|e| e.under("feedback")))?;
    let parts = [("weight", weight), ("bias", bias), ("feedback", feedback)];
    Ok(parts.into_iter().map(|(k, t)| (k.to_owned(), Value::Table(t))).collect())
}

fn optimizer(tree: &Table, p: &Places) -> Result<Table, SpecError> {
    let mut table = section(tree, "optimizer", "name", p)?.ok_or_else(|| missing("optimizer", p))?;
    table.entry("name").or_insert_with(|| Value::from("sgd"));
    if table["name"].as_str() == Some("flow") {
        return flow(table, p);
    }
    let (lr, schedule, clip) = (table.remove("lr"), table.remove("schedule"), table.remove("clip"));
    // The optimizer's own list of options does not know these three; a slip in one of them must still find it.
    let name = table["name"].as_str();
    if let Some(entry) = optim::OPTIMIZERS.iter().find(|e| Some(e.name) == name) {
        let own = entry.options.iter().map(|o| o.name);
        let known: Vec<&str> = ["name", "lr", "schedule", "clip"].into_iter().chain(own).collect();
        keys::known(&table, "optimizer", &known, p)?;
    }
    let mut table = component(optim::OPTIMIZERS, "optimizer", "optimizer", table, p)?;
    let plain = [("lr", lr), ("clip", clip)].into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?)));
    let plain: Table = plain.collect();
    keys::check(keys::OPTIMIZER, &plain, "optimizer", p)?;
    table.extend(plain);
    // 1 and 1.0 are the same rate, so they must be the same run.
    if let Some(Value::Integer(i)) = table.get("lr") {
        table.insert("lr".into(), Value::Float(*i as f64));
    }
    let schedule = default_name(sub(schedule.as_ref(), "optimizer.schedule", "name", p)?, "constant");
    let schedule = component(optim::SCHEDULES, "schedule", "optimizer.schedule", schedule, p)?;
    table.insert("schedule".into(), Value::Table(schedule));
    Ok(table)
}

/// A flow has no learning rate, so neither a schedule nor clipping.
fn flow(table: Table, p: &Places) -> Result<Table, SpecError> {
    if let Some(key) = ["lr", "schedule", "clip"].into_iter().find(|k| table.contains_key(*k)) {
        let message = "\"flow\" has no learning rate, schedule or clipping: its length is t_end; remove the key (\"~optimizer.lr\")";
        return Err(p.error(&format!("optimizer.{key}"), message));
    }
    component(optim::OPTIMIZERS, "optimizer", "optimizer", table, p)
}

fn train(tree: &Table, p: &Places) -> Result<Table, SpecError> {
    let mut table = section(tree, "train", "name", p)?.ok_or_else(|| missing("train", p))?;
    let known: Vec<&str> = keys::TRAIN.iter().map(|o| o.name).collect();
    keys::known(&table, "train", &known, p)?;
    match (table.get("epochs"), table.get("steps")) {
        (Some(_), Some(_)) => return Err(p.error("train.steps", "give either epochs or steps, not both")),
        (None, None) => return Err(p.error("train.epochs", "missing: give epochs or steps")),
        _ => {}
    }
    keys::check(keys::TRAIN, &table, "train", p)?;
    fill(&mut table, keys::TRAIN);
    Ok(table)
}

/// What is measured when a spec asks for nothing.
fn usual_probes() -> Vec<Value> {
    ["accuracy", "weight_angle"].map(|n| Value::Table(named(n))).to_vec()
}

fn probe_list(tree: &Table, p: &Places) -> Result<Value, SpecError> {
    let given = match tree.get("probes") {
        None => usual_probes(),
        Some(Value::Array(a)) => a.clone(),
        Some(other) => return Err(expected("probes", "a list of tables, [[probes]]", other, p)),
    };
    let mut out = Vec::new();
    for (i, probe) in given.iter().enumerate() {
        let path = format!("probes.{i}");
        let mut table = sub(Some(probe), &path, "name", p)?.unwrap_or_default();
        keys::check(keys::PROBE, &table, &path, p)?;
        fill(&mut table, keys::PROBE);
        let cadence = table.remove("every").unwrap_or(Value::from("1 epoch"));
        let name = table.get("name").and_then(Value::as_str);
        if let Some(entry) = probes::all().iter().find(|e| Some(e.name) == name) {
            let own = entry.options.iter().map(|o| o.name);
            let known: Vec<&str> = ["name", "every"].into_iter().chain(own).collect();
            keys::known(&table, &path, &known, p)?;
        }
        let mut table = component(probes::all(), "probe", &path, table, p)?;
        table.insert("every".into(), cadence);
        out.push(Value::Table(table));
    }
    Ok(Value::Array(out))
}

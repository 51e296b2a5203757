//! `realign rules|probes|layers|losses|models|inits|datasets|optimizers|schedules|keys [NAME] [--json]`: what the registries hold.

use crate::args::ListArgs;
use crate::exit::UserError;
use crate::output;
use realign::registry::{Entry, Opt, suggest};
use serde::Serialize;

/// Which registry.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Rules,
    Probes,
    Layers,
    Losses,
    Models,
    Inits,
    Datasets,
    Optimizers,
    Schedules,
    Keys,
}

/// One component as shown.
#[derive(Serialize)]
struct Item {
    name: &'static str,
    summary: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    formula: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    citation: &'static str,
    options: Vec<Opt>,
}

/// Lists a registry or shows one of its entries.
pub(crate) fn list(kind: Kind, args: &ListArgs) -> anyhow::Result<()> {
    let items = items(kind);
    match &args.name {
        None if args.json => output::json(&items),
        None => {
            let rows: Vec<[String; 2]> = items.into_iter().map(|i| [i.name.to_owned(), i.summary]).collect();
            output::print(&output::columns(&rows))
        }
        Some(name) => {
            let known: Vec<&str> = items.iter().map(|i| i.name).collect();
            let Some(item) = items.iter().find(|i| i.name == name.as_str()) else {
                let word = kind.word();
                return Err(UserError(format!("unknown {word} \"{name}\"{}", suggest(name, &known))).into());
            };
            if args.json { output::json(item) } else { output::print(&page(item)) }
        }
    }
}

fn page(item: &Item) -> String {
    let mut text = format!("{}\n\n{}\n", item.name, item.summary);
    if !item.formula.is_empty() {
        text += &format!("\nFormula\n  {}\n", item.formula.replace('\n', "\n  "));
    }
    if item.options.is_empty() {
        text += "\nOptions: none\n";
    } else {
        let default =
            |o: &Opt| if o.default.is_empty() { "required".to_owned() } else { o.default.to_owned() };
        let row =
            |o: &Opt| [format!("  {}", o.name), default(o), o.allowed.to_string(), o.meaning.to_owned()];
        let rows: Vec<[String; 4]> = item.options.iter().map(row).collect();
        text += &format!("\nOptions (name, default, allowed, meaning)\n{}", output::columns(&rows));
    }
    if !item.citation.is_empty() {
        text += &format!("\nCitation\n{}\n", item.citation);
    }
    text
}

fn entries<T: ?Sized>(entries: &[Entry<T>]) -> Vec<Item> {
    let item = |e: &Entry<T>| Item {
        name: e.name,
        summary: e.summary.to_owned(),
        formula: e.formula,
        citation: e.citation,
        options: e.options.to_vec(),
    };
    entries.iter().map(item).collect()
}

fn items(kind: Kind) -> Vec<Item> {
    match kind {
        Kind::Rules => entries(realign::rules::RULES),
        Kind::Probes => entries(realign_theory::probes::all()),
        Kind::Losses => entries(realign::loss::LOSSES),
        Kind::Optimizers => entries(realign::optim::OPTIMIZERS),
        Kind::Schedules => entries(realign::optim::SCHEDULES),
        Kind::Layers => realign::layer::descriptions()
            .into_iter()
            .map(|d| Item {
                name: d.name,
                summary: d.summary.to_owned(),
                formula: d.formula,
                citation: "",
                options: d.options.to_vec(),
            })
            .collect(),
        Kind::Models => entries(realign::model::MODELS),
        Kind::Inits => inits(),
        Kind::Datasets => datasets(),
        Kind::Keys => keys(),
    }
}

fn inits() -> Vec<Item> {
    let draws = realign::init::INITS.iter().map(|i| Item {
        name: i.name,
        summary: format!("W, b and B: {}", i.formula),
        formula: i.formula,
        citation: "",
        options: vec![realign::init::SCALE],
    });
    let weights = realign::init::WEIGHTS.iter().map(|(name, meaning)| Item {
        name,
        summary: format!("W only: {meaning}"),
        formula: "",
        citation: "",
        options: vec![realign::init::SCALE],
    });
    let feedbacks = realign::init::FEEDBACKS.iter().map(|(name, meaning, options)| Item {
        name,
        summary: format!("B only: {meaning}"),
        formula: "",
        citation: "",
        options: options.to_vec(),
    });
    draws.chain(weights).chain(feedbacks).collect()
}

/// The keys of a spec that belong to no registry, by section.
fn keys() -> Vec<Item> {
    let item = |(section, options): &(&'static str, &[Opt])| {
        let words: Vec<&str> = options.iter().map(|o| o.name).collect();
        let name = if section.is_empty() { "spec" } else { *section };
        Item { name, summary: words.join(", "), formula: "", citation: "", options: options.to_vec() }
    };
    realign_lab::PLAIN_KEYS.iter().map(item).collect()
}

fn datasets() -> Vec<Item> {
    let item = |e: &realign_data::Entry| {
        let own: Vec<&str> = e.options.iter().map(|o| o.name).collect();
        let common = realign_data::common_options().iter().filter(|o| !own.contains(&o.name));
        let options = e.options.iter().chain(common);
        Item {
            name: e.name,
            summary: format!("{} ({})", e.summary, e.shape),
            formula: "",
            citation: e.citation,
            options: options.copied().collect(),
        }
    };
    realign_data::registry().iter().map(item).collect()
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Rules => "rule",
            Kind::Probes => "probe",
            Kind::Layers => "layer",
            Kind::Losses => "loss",
            Kind::Models => "model",
            Kind::Inits => "initialiser",
            Kind::Datasets => "data set",
            Kind::Optimizers => "optimizer",
            Kind::Schedules => "schedule",
            Kind::Keys => "section",
        }
    }
}

//! `realign laws [NAME] [--json]`: what is conserved under which assumptions.

use crate::args::ListArgs;
use crate::exit::UserError;
use crate::output;
use realign::registry::suggest;
use realign_theory::laws::{Info, LAWS, Order};

/// Lists all laws or shows one.
pub(crate) fn laws(args: &ListArgs) -> anyhow::Result<()> {
    let all: Vec<&Info> = LAWS.iter().map(|l| l.info()).collect();
    match &args.name {
        None if args.json => output::json(&serde_json::json!({ "laws": all })),
        None => {
            let rows: Vec<[String; 2]> =
                all.iter().map(|i| [i.name.to_owned(), i.statement.to_owned()]).collect();
            output::print(&output::columns(&rows))
        }
        Some(name) => {
            let info = find(name)?;
            if args.json { output::json(info) } else { output::print(&page(info)) }
        }
    }
}

/// The law of this name.
pub(crate) fn find(name: &str) -> anyhow::Result<&'static Info> {
    let known: Vec<&str> = LAWS.iter().map(|l| l.info().name).collect();
    let found = LAWS.iter().map(|l| l.info()).find(|i| i.name == name);
    found.ok_or_else(|| UserError(format!("unknown law \"{name}\"{}", suggest(name, &known))).into())
}

fn page(info: &Info) -> String {
    let order = match info.order {
        Order::Exact => "exact for steps of any size",
        Order::First => "first: at equal eta * steps the drift of discrete steps is proportional to eta",
    };
    let assumptions: String = info.assumptions.iter().map(|a| format!("  {a}\n")).collect();
    format!(
        "{}\n\n{}\n\nAssumptions\n{assumptions}\nOrder\n  {order}\n\nAccount of a step\n  {}\n\nCitation\n  {}\n",
        info.name, info.statement, info.account, info.citation
    )
}

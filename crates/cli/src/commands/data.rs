//! `realign data list|show|fetch|verify`.

use crate::args::{DataArgs, DataCommand};
use crate::exit::{self, UserError};
use crate::output;
use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use realign_data::fetch::{FileProgress, FileStatus, Presence, State};
use realign_data::{Dirs, Entry, Kind, fetch, shown, shown_path};
use serde_json::json;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use toml::{Table, Value};

/// Does what was asked for.
pub(crate) fn data(args: DataArgs) -> anyhow::Result<ExitCode> {
    let dirs = Dirs { data_dir: args.data_dir };
    match args.command {
        DataCommand::List { json } => list(&dirs, json),
        DataCommand::Show { name, options, out, per_class } => {
            let out = out.unwrap_or_else(|| PathBuf::from(format!("{name}.png")));
            show(&dirs, &name, &options, &out, per_class as usize)
        }
        DataCommand::Fetch { name, mirror, quiet } => download(&dirs, &name, &mirror, quiet),
        DataCommand::Verify { name, json } => verify(&dirs, &name, json),
    }
}

fn list(dirs: &Dirs, json: bool) -> anyhow::Result<ExitCode> {
    let state = |e: &Entry| match (e.kind, &e.download) {
        (Kind::Procedural, _) => Ok("built in"),
        (Kind::Real, None) => Ok("your own"),
        (Kind::Real, Some(_)) => fetch::presence(e.name, dirs).map(|presence| match presence {
            Presence::None => "not here",
            Presence::Whole => "on disk",
            Presence::Part => "incomplete",
        }),
    };
    let mut rows = Vec::new();
    for entry in realign_data::registry() {
        rows.push((entry, state(entry)?));
    }
    if json {
        let value = |(e, state): &(&Entry, &str)| -> serde_json::Result<serde_json::Value> {
            let mut value = serde_json::to_value(e)?;
            value["state"] = json!(state);
            Ok(value)
        };
        output::json(&rows.iter().map(value).collect::<Result<Vec<_>, _>>()?)?;
    } else {
        let row = |(e, state): &(&Entry, &str)| {
            [e.name.to_owned(), (*state).to_owned(), e.shape.to_owned(), e.summary.to_owned()]
        };
        output::print(&output::columns(&rows.iter().map(row).collect::<Vec<_>>()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(
    dirs: &Dirs,
    name: &str,
    options: &[String],
    out: &Path,
    per_class: usize,
) -> anyhow::Result<ExitCode> {
    realign_data::entry(name)?;
    let mut table = Table::from_iter([("name".to_owned(), Value::from(name))]);
    for option in options {
        let (key, value) = realign_lab::spec::key_value(option)
            .map_err(|message| UserError(format!("\"{option}\": {message}")))?;
        let key = key.strip_prefix("data.").unwrap_or(&key).to_owned();
        if table.insert(key, value).is_some() {
            return Err(UserError(format!("\"{option}\": the key is given twice; leave one out")).into());
        }
    }
    let bundle = realign_data::load(&realign_data::parse_config(table)?, 0, dirs)?;
    let classes = bundle.class_names.len();
    let png = realign_data::contact_sheet(&bundle.train, classes, per_class, &bundle.class_names)?;
    let mut part = out.as_os_str().to_owned();
    part.push(".part");
    let written = std::fs::write(&part, png).and_then(|()| std::fs::rename(&part, out));
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written.with_context(|| format!("cannot write {}", shown_path(out)))?;
    let names: Vec<_> = bundle.class_names.iter().map(|n| shown(n)).collect();
    output::print(&format!("{}: {per_class} of each class, {}\n", shown_path(out), names.join(", ")))?;
    Ok(ExitCode::SUCCESS)
}

fn download(dirs: &Dirs, name: &str, mirrors: &[String], quiet: bool) -> anyhow::Result<ExitCode> {
    realign_data::entry(name)?;
    let folder = dirs.download_dir().ok_or_else(|| {
        UserError("no folder to download to: give --data-dir or set REALIGN_DATA or HOME".to_owned())
    })?;
    let terminal = std::io::stderr().is_terminal();
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    bar.set_style(ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}")?);
    let mut progress = |p: FileProgress<'_>| {
        let label = format!("{} ({}/{})", p.file, p.number, p.of);
        let say = |what: &str| bar.suspend(|| output::note(&format!("{label}: {what}")));
        match p.state {
            _ if quiet => {}
            State::Downloading { .. } if terminal => {
                bar.set_length(p.total);
                bar.set_message(label.clone());
                bar.set_position(p.bytes);
            }
            State::Downloading { .. } => {}
            State::Present => say("already there"),
            State::Verified => say("downloaded, size and SHA-256 (where one is published) are right"),
            State::Failed { from, reason } => say(&format!("{from}: {reason}")),
        }
    };
    let own = (!mirrors.is_empty()).then_some(mirrors);
    let paths = fetch::fetch(name, &folder, own, &mut progress);
    bar.finish_and_clear();
    let lines: String = paths?.iter().map(|p| format!("{}\n", shown_path(p))).collect();
    output::print(&lines)?;
    Ok(ExitCode::SUCCESS)
}

fn verify(dirs: &Dirs, name: &str, json: bool) -> anyhow::Result<ExitCode> {
    let reports = fetch::verify(name, dirs)?;
    let good = reports.iter().all(|r| r.status.is_good());
    if json {
        output::json(&json!({ "name": name, "good": good, "files": reports }))?;
    } else {
        let row = |r: &fetch::FileReport| {
            let place = r.path.as_deref().map_or_else(|| r.file.clone(), shown_path);
            let verdict = match &r.status {
                FileStatus::Good => "good".to_owned(),
                FileStatus::SizeOnly => "size is right; no SHA-256 is published".to_owned(),
                FileStatus::Readable { found } => {
                    format!("readable; another layout or a cut than the published files: {found}")
                }
                FileStatus::Missing => "missing".to_owned(),
                FileStatus::Bad { expected, found } => format!("BAD: expected {expected}; found {found}"),
            };
            [place, verdict]
        };
        output::print(&output::columns(&reports.iter().map(row).collect::<Vec<_>>()))?;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) })
}

//! `realign export RUN_DIR`: what another program needs to replay a run.

use crate::args::ExportArgs;
use crate::exit::UserError;
use crate::output;
use realign_data::Dirs;
use realign_lab::Spec;
use realign_lab::export::{Wanted, export as write};
use serde_json::json;

/// Writes the files asked for and prints their paths.
pub(crate) fn export(args: &ExportArgs) -> anyhow::Result<()> {
    let file = args.run.join("spec.toml");
    if !file.is_file() {
        let message = format!("{} is no run directory: it has no spec.toml", args.run.display());
        return Err(UserError(message).into());
    }
    super::check_run(&args.run)?;
    let runs = Spec::load(&file, &[])?.runs();
    let [spec] = &runs[..] else {
        let message = format!("{} describes {} runs, a run directory holds one", file.display(), runs.len());
        return Err(UserError(message).into());
    };
    let out = args.out.clone().unwrap_or_else(|| args.run.join("export"));
    let wanted = Wanted { batches: args.wanted.batches, data: args.wanted.data };
    let files = write(spec, &args.run, &out, wanted, &Dirs { data_dir: args.data_dir.clone() })?;
    if args.json {
        return output::json(&json!({ "run": args.run, "files": files }));
    }
    output::print(&files.iter().map(|f| format!("{}\n", f.display())).collect::<String>())
}

//! `sigtool config`: explain, check and change the configuration.

use crate::alias::{is_built_in, shadowed};
use crate::app::App;
use crate::args::Config;
use crate::config::FileState;
use crate::error::{CommandError, Failure, Outcome};
use crate::output::{clean, plural};
use crate::report::setting::print;
use crate::report::setting::{File, Set, State};
use crate::report::{ErrorRow, lossy};

pub(super) fn run(app: &App, command: &Config) -> Outcome {
    match command {
        Config::Explain { key } => explain(app, key.as_deref()),
        Config::Check => check(app),
        Config::Path => path(app),
        Config::Set { key, value } => set(app, key, value),
    }
}

fn explain(app: &App, key: Option<&str>) -> Outcome {
    let rows = app.config.explain(key);
    if let (Some(key), true) = (key, rows.is_empty()) {
        return Err(
            CommandError::input(format!("nothing is set at `{}`", clean(key)))
                .hint("see what is set: sigtool config explain"),
        );
    }
    print(app, &rows);
    Ok(0)
}

fn check(app: &App) -> Outcome {
    let problems = app.config.check(&|id| app.backends.named_manifest(id));
    for problem in &problems {
        app.ui.error(problem);
        if app.ui.is_machine() {
            app.ui.item("", &ErrorRow::of(problem));
        }
    }
    for (name, alias) in app.config.aliases() {
        if is_built_in(name) {
            app.ui.warn(&shadowed(name, alias));
        }
    }
    app.ui.end_items();
    if problems.is_empty() {
        app.ui.say("the configuration is right");
        return Ok(0);
    }
    app.ui.say(&plural(problems.len(), "problem"));
    Ok(Failure::CouldNotTell.exit_code())
}

fn path(app: &App) -> Outcome {
    for file in app.config.paths() {
        let (state, word, why) = match &file.state {
            FileState::Read => (State::Read, "read", None),
            FileState::Missing => (State::Missing, "missing", None),
            FileState::Wrong => (State::Wrong, "wrong", None),
            FileState::Ignored(why) => (State::Ignored, "ignored", Some(why.as_str())),
        };
        let tail = why.map(|why| format!(": {}", why)).unwrap_or_default();
        app.ui.item(
            &format!(
                "{:8} {:8} {}{tail}",
                file.layer.as_str(),
                word,
                file.path.display()
            ),
            &File {
                layer: file.layer,
                path: lossy(&file.path),
                state,
                why,
            },
        );
    }
    app.ui.end_items();
    Ok(0)
}

fn set(app: &App, key: &str, value: &str) -> Outcome {
    let mut edit = app.config.edit()?;
    edit.set(key, value, &|id| app.backends.named_manifest(id))?;
    let changed = edit.save()?;
    let file = app.config.user_file();
    let shown = file.map(|f| app.short(f)).unwrap_or_default();
    let text = if changed {
        format!("set `{}` in {}", key, shown)
    } else {
        format!("nothing changed: `{}` is that already in {}", key, shown)
    };
    let file = file.map(lossy);
    app.ui.result(&text, &Set { key, changed, file });
    Ok(0)
}

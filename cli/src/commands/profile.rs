//! `sigtool profile`: show and choose profiles.

use crate::app::App;
use crate::args::Profile;
use crate::config::origin::Origin;
use crate::error::{CommandError, Outcome};
use crate::report::profile::{Row, Used};
use crate::report::setting::{dotted, print};

pub(super) fn run(app: &App, command: &Profile) -> Outcome {
    match command {
        Profile::List => list(app),
        Profile::Show { name } => show(app, name.as_deref()),
        Profile::Use { name } => use_profile(app, name),
    }
}

fn list(app: &App) -> Outcome {
    let chosen = app.config.profile_chosen(app.global.profile.as_deref());
    let profiles = app.config.profile_names();
    for profile in &profiles {
        let in_use = chosen.as_ref().is_some_and(|c| c.value == profile.name);
        let mark = if in_use { "*" } else { " " };
        let inherits = profile
            .inherits
            .as_deref()
            .map(|base| format!(", inherits {}", base))
            .unwrap_or_default();
        app.ui.item(
            &format!("{mark} {}  ({}{inherits})", profile.name, profile.origin),
            &Row {
                name: &profile.name,
                in_use,
                inherits: profile.inherits.as_deref(),
                origin: profile.origin.to_string(),
            },
        );
    }
    app.ui.end_items();
    if profiles.is_empty() {
        app.ui
            .say("there is no profile; make one with `sigtool init`");
    }
    Ok(0)
}

fn show(app: &App, name: Option<&str>) -> Outcome {
    let asked = name.or(app.global.profile.as_deref());
    let Some(chosen) = app.config.profile_chosen(asked) else {
        return Err(CommandError::input("no profile is in use")
            .hint("make one: sigtool init")
            .hint("or name one: sigtool profile show NAME"));
    };
    // Reads it whole, so that a profile that cannot be used is an error here too.
    app.config
        .profile(asked, &|id| app.backends.named_manifest(id))?;
    let rows = app
        .config
        .explain(Some(&dotted(&["profile", &chosen.value])));
    print(app, &rows);
    Ok(0)
}

fn use_profile(app: &App, name: &str) -> Outcome {
    app.config
        .profile(Some(name), &|id| app.backends.named_manifest(id))?;
    app.config.use_profile(name)?;
    app.ui.result(
        &format!("using the profile `{}` from now on", name),
        &Used { profile: name },
    );
    // A variable or a project's file chooses before the user's file does.
    let user_file = app.config.user_file();
    let above = |origin: &Origin| match origin {
        Origin::File { file, .. } => Some(file.path.as_path()) != user_file,
        Origin::Variable(_) => true,
        // A flag is gone with this run.
        Origin::BuiltIn | Origin::Flag(_) => false,
    };
    let now = app.config.profile_chosen(None);
    if let Some(now) = now.filter(|now| now.value != name && above(&now.origin)) {
        app.ui.warn(&format!(
            "`{}` is still chosen by {}",
            now.value, now.origin
        ));
    }
    Ok(0)
}

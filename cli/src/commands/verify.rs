//! `sigtool verify`: valid, refused, or could not tell. Never without a policy.

use crate::app::App;
use crate::app::folders::working_folder;
use crate::app::keys::{listed_key, named_key};
use crate::args::Verify;
use crate::artifacts::annotations;
use crate::artifacts::batch::{self, Tally};
use crate::artifacts::destination::{Places, STDIN, destination};
use crate::artifacts::item::Found;
use crate::artifacts::left_out::{Posing, Strays};
use crate::artifacts::{Item, Items, SourceOf, Sources};
use crate::config::value::dotted;
use crate::config::verify::VerifySettings;
use crate::config::{KeyText, Profile};
use crate::custody::ledger::store;
use crate::custody::recorder::Custody;
use crate::error::{CommandError, Failure, Outcome};
use crate::interrupt::{self, INTERRUPTED};
use crate::output::{Ticker, clean};
use crate::report::left_out;
use crate::report::summary::summary;
use crate::report::verdict::{Judged, not_looked_at, refused_stray, report};
use sigtool_core::limits::MAX_BUNDLE;
use sigtool_core::resolve::Proof;
use sigtool_core::trust::Require;
use sigtool_core::verify::CheckedSignature;
use sigtool_core::{
    GivenSignature, Policy, Reason, Store, Verification, VerifyingRequest, verify_artifact,
};
use sigtool_sdk::file::{ReadError, read_regular};
use sigtool_sdk::text::{quoted_path, typed};
use sigtool_sdk::types::Digest;

pub(super) fn run(app: &App, args: &Verify) -> Outcome {
    interrupt::watch();
    let profile = app.profile()?;
    let policies = policies(app, args, &profile)?;
    let said = tell_of_policies(app, args, &profile, &policies);
    let sources = Sources::new(app, &profile).attach_to(args.attach_to.as_ref());
    let needs_all =
        args.bundle.is_some() || args.signature.is_some() || !args.annotations.is_empty();
    let strays = Strays::default();
    let mut items = Items::find(
        "verify",
        &args.artifacts,
        &sources,
        Some(&strays),
        needs_all,
    )?;
    let places = Places {
        bundle: args.bundle.as_deref(),
        signature: args.signature.as_deref(),
    };
    places.check(&items)?;
    check_files(args, &items)?;
    for note in items.take_notes() {
        app.ui.note(&app.relative(&note));
    }
    let images = items.may_have_images();
    let work = Work {
        places: &places,
        demands: &policies,
        sources: &sources,
        strays: &strays,
        store: if images { store(app) } else { Ok(None) },
        custody: Custody::best_effort(app, &profile, !args.no_history),
    };
    let ticker = Ticker::new(&app.ui, "verifying", items.known_count());
    let jobs = items.jobs(app.jobs());
    let mut tally = batch::run(
        &mut items,
        jobs,
        args.artifacts.fail_fast,
        |item| work.verify_and_enter(item),
        |judged| !judged.is_valid(),
        |shown, result| {
            ticker.done();
            report(app, shown, &said, result)
        },
    );
    drop(ticker);
    refuse_strays(app, &strays, &mut tally);
    let strict = args.artifacts.strict.then_some(Failure::CouldNotTell);
    let row =
        |line: &str, left_out: &_, error: Option<&_>| not_looked_at(app, line, left_out, error);
    left_out::tell(app, &items.take_left_out(), strict, &mut tally, row);
    app.ui.end_items();
    for note in items.take_notes() {
        app.ui.note(&app.relative(&note));
    }
    if tally.count() > 1 || tally.not_looked_at > 0 {
        app.ui
            .say(summary("valid", &tally, |failure| Some(how(failure))));
    }
    Ok(tally.exit_code())
}

/// Refuses each file that is named like a signature and is none of an artifact in its folder, once all of these have been verified.
fn refuse_strays(app: &App, strays: &Strays, tally: &mut Tally) {
    let unfit = strays.unfit();
    if tally.not_tried > 0 || tally.more {
        tally.not_tried += unfit.len();
        return;
    }
    let mut refuse = |shown: &str, error: CommandError| {
        let error = app.relative_error(error.hint("verify what it signs by name, or remove it"));
        refused_stray(app, shown, &error);
        tally.failed.push((shown.to_owned(), error.failure));
    };
    for (stray, beside) in unfit {
        let shown = clean(&stray.shown);
        let error = if beside > MAX_STRAYS {
            CommandError::could_not_tell(format!("could not tell what `{shown}` signs")).because(
                format!("there are more than {MAX_STRAYS} signatures of that kind in its folder"),
            )
        } else {
            CommandError::new(Failure::Refused, format!("refused `{shown}`")).because(
                "it is named like a signature, and no artifact in its folder is signed by it",
            )
        };
        refuse(&stray.shown, error);
    }
    for Posing {
        artifact,
        why,
        is_certain,
    } in strays.take_posing()
    {
        let shown = clean(&artifact);
        let error = match is_certain {
            true => CommandError::new(
                Failure::Refused,
                format!("refused what lies beside `{shown}` as its signature"),
            ),
            false => CommandError::could_not_tell(format!(
                "could not tell whether what lies beside `{shown}` is its signature"
            )),
        };
        refuse(&artifact, error.because(why));
    }
}

/// More signatures without an artifact of their name than lie in any real folder; each is tried for each artifact that has none.
const MAX_STRAYS: usize = 64;

/// How it failed, in the summary.
fn how(failure: Failure) -> &'static str {
    match failure {
        Failure::Refused => "refused",
        Failure::CouldNotTell => "could not tell",
        _ => "not checked",
    }
}

/// What only images have is a mistake as a flag for a file.
fn check_files(args: &Verify, items: &Items<'_>) -> Result<(), CommandError> {
    let Some(file) = items.ahead().find(|i| i.source() == SourceOf::Files) else {
        return Ok(());
    };
    if args.annotations.is_empty() {
        return Ok(());
    }
    let file = clean(&file.shown);
    let message = format!("`--annotations` is for images, and `{file}` is a file");
    Err(CommandError::input(message)
        .because("a file's signature has no place for them")
        .hint(format!(
            "verify `{file}` by itself, without `--annotations`"
        )))
}

/// What must hold: the policy of the command line or of the profile, and the one that this system demands of everyone.
fn policies(app: &App, args: &Verify, profile: &Profile) -> Result<Vec<Demand>, CommandError> {
    let annotations = annotations(&args.annotations)?;
    let (policy, untrusted) = asked_policy(app, args, profile)?;
    let asked = Demand {
        policy: policy.with_annotations(annotations),
        of_machine: None,
        untrusted,
    };
    let mut demands = vec![asked];
    if let Some(demanded) = &app.config.policy().verify {
        let place = demanded.keys.first().map(|key| key.origin.to_string());
        demands.push(Demand {
            policy: policy_of(app, demanded, None)?,
            of_machine: place,
            untrusted: Vec::new(),
        });
    }
    Ok(demands)
}

/// Says how the policies are not what they may be taken for. Gives the same for programs.
fn tell_of_policies(
    app: &App,
    args: &Verify,
    profile: &Profile,
    policies: &[Demand],
) -> Vec<String> {
    let mut said = Vec::new();
    if let (false, Some(name), Some(_)) = (args.key.is_empty(), &profile.name, &profile.verify) {
        let line = format!(
            "`--key` says whose signatures count, in place of the profile `{}` ({})",
            name.value, name.origin
        );
        app.ui.note(&line);
        said.push(line);
    }
    let repeated = policies.iter().flat_map(|demand| demand.policy.repeated());
    let untrusted = policies.iter().flat_map(|demand| demand.untrusted.clone());
    for line in untrusted.chain(repeated.map(ToString::to_string)) {
        app.ui.warn(&line);
        said.push(line);
    }
    said
}

/// A policy that must be met.
struct Demand {
    policy: Policy,
    /// Where it stands, if it is not what this run asked for, but what the machine demands of every run.
    of_machine: Option<String>,
    /// What is to be told of its keys.
    untrusted: Vec<String>,
}

/// The policy of the command line or of the profile, and what is to be told of its keys.
fn asked_policy(
    app: &App,
    args: &Verify,
    profile: &Profile,
) -> Result<(Policy, Vec<String>), CommandError> {
    let require = args
        .require
        .as_deref()
        .map(str::parse::<Require>)
        .transpose()
        .map_err(|e| CommandError::input(e.to_string()))?;
    if !args.key.is_empty() {
        check_keys(args, profile)?;
        return policy_of_keys(app, &args.key, require.unwrap_or_default());
    }
    let Some(settings) = &profile.verify else {
        let which = profile.name.as_ref().map_or_else(
            || "no profile is in use".to_owned(),
            |name| format!("the profile `{}` does not say whom it trusts", name.value),
        );
        let mut error = CommandError::input("verifying needs a policy: whose signatures count?")
            .because(which)
            .hint("name a public key: sigtool verify --key release.pub ARTIFACT")
            .hint("or put it in a profile: [profile.NAME.verify] keys = [\"release.pub\"]");
        error.hints.extend(app.choice_not_followed());
        return Err(error);
    };
    Ok((policy_of(app, settings, require)?, Vec::new()))
}

fn policy_of_keys(
    app: &App,
    keys: &[String],
    require: Require,
) -> Result<(Policy, Vec<String>), CommandError> {
    let base = working_folder()?;
    let read = keys.iter().map(|text| {
        let (text, base) = (text.clone(), base.clone());
        named_key(app, &KeyText { text, base })
    });
    let (keys, told): (Vec<_>, Vec<_>) = read.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    let policy = Policy::new(keys, require)
        .map_err(|e| CommandError::input("this policy cannot be used").because(e))?;
    Ok((policy, told.into_iter().flatten().collect()))
}

/// Refuses keys beside a profile that the same command line names, and that says itself whom it trusts: one would replace the other
/// without a word, and the shell may have made a flag of a file's name. A profile that was chosen elsewhere gives way.
fn check_keys(args: &Verify, profile: &Profile) -> Result<(), CommandError> {
    let (Some(name), Some(verify)) = (&profile.name, &profile.verify) else {
        return Ok(());
    };
    if !name.origin.is_of_command_line() {
        return Ok(());
    }
    let message = format!(
        "`--key` and the profile `{}` both say whose signatures count",
        name.value
    );
    let keys: Vec<toml::Value> = args.key.iter().map(|key| key.as_str().into()).collect();
    let key = dotted(&["profile", &name.value, "verify", "keys"]);
    let setting = format!("{key}={}", toml::Value::from(keys));
    let place = verify.keys.first().map(|key| &key.origin);
    let error = place
        .into_iter()
        .fold(CommandError::input(message), |error, place| {
            error.because(format!("the profile does at {place}"))
        });
    Err(error
        .hint("to verify by the profile's policy leave out `--key`")
        .hint(format!(
            "to verify by these keys in its place: --config {}",
            typed(&setting)
        )))
}

fn policy_of(
    app: &App,
    settings: &VerifySettings,
    require: Option<Require>,
) -> Result<Policy, CommandError> {
    if let Some(identity) = settings.identities.first() {
        return Err(identity.subject.origin.error(
            format!(
                "this version verifies keys only, and the policy lists the identity `{}` of {}",
                identity.subject.value, identity.issuer.value
            ),
            "an identity",
        ));
    }
    let keys = settings
        .keys
        .iter()
        .map(|key| listed_key(app, key).map_err(|error| key.origin.blame(error)))
        .collect::<Result<_, _>>()?;
    let configured = settings.require.value;
    Policy::new(keys, require.unwrap_or(configured)).map_err(|e| {
        let message = "this policy cannot be used";
        settings.require.origin.error(format!("{message}: {e}"), "")
    })
}

/// What verifying one artifact takes.
struct Work<'a> {
    places: &'a Places<'a>,
    demands: &'a [Demand],
    sources: &'a Sources<'a>,
    strays: &'a Strays,
    store: Result<Option<Store>, sigtool_sdk::Error>,
    custody: Custody,
}

impl Work<'_> {
    /// Verifies, and enters what was found. A ledger that cannot be written changes no verdict.
    fn verify_and_enter(&self, item: &Item) -> Result<Judged, CommandError> {
        let judged = self.verify(item);
        let entered = match &judged {
            Ok(judged) => self.custody.verified(&judged.verified),
            Err(error) => self.custody.not_verified(item, error),
        };
        match (judged, entered) {
            (Ok(judged), Ok(head)) => Ok(Judged { head, ..judged }),
            (Ok(mut judged), Err(error)) => {
                let note = format!("not entered in the history: {error}");
                judged.verified.notes.push(note);
                Ok(judged)
            }
            (Err(failed), Ok(head)) => Err(failed.entered(head)),
            (Err(failed), Err(_)) => Err(failed),
        }
    }

    fn verify(&self, item: &Item) -> Result<Judged, CommandError> {
        let given = given(self.places, item)?;
        let cannot = || format!("cannot verify `{}`", clean(&item.shown));
        if item.from_stdin && given.is_empty() {
            return Err(CommandError::input(cannot())
                .because("standard input has no signatures beside it")
                .hint("name one: --bundle FILE, or --signature FILE"));
        }
        let mut judged = self.judge_all(item, &given, &cannot)?;
        if given.is_empty() && item.found == Found::InFolder && judged.is_valid() {
            self.look_beside(item, &judged);
        }
        if given.is_empty() && judged.has_no_signature() {
            judged = self.judge_by_strays(item, &cannot)?.unwrap_or(judged);
        }
        let could_tell = !matches!(
            judged.verified.verification,
            Verification::Inconclusive { .. }
        );
        if interrupt::requested() && !could_tell {
            return Err(CommandError::new(Failure::Cancelled, cannot()).because(INTERRUPTED));
        }
        let artifact = &mut judged.verified.artifact;
        item.name_in(artifact);
        if item.from_stdin {
            artifact.name = STDIN.to_owned();
        }
        Ok(judged)
    }

    /// A folder's verdict covers what poses as a signature, too.
    fn look_beside(&self, item: &Item, judged: &Judged) {
        let add = |reason: &Reason, is_certain| {
            self.strays.add_posing(Posing {
                artifact: item.shown.clone(),
                why: reason.to_string(),
                is_certain,
            });
        };
        let verified = &judged.verified;
        let reasons = verified.checked.iter().filter_map(|c| c.reason.as_ref());
        let malformed = reasons.filter(|reason| matches!(reason, Reason::Malformed { .. }));
        malformed.for_each(|reason| add(reason, true));
        verified.unread.iter().for_each(|reason| add(reason, false));
    }

    /// Whether one of the signatures in its folder that have no artifact of their name is its own.
    fn judge_by_strays(
        &self,
        item: &Item,
        cannot: &dyn Fn() -> String,
    ) -> Result<Option<Judged>, CommandError> {
        let beside = item.reference.path().map(|path| self.strays.beside(path));
        let strays = beside.unwrap_or_default();
        let given: Vec<GivenSignature> = strays
            .iter()
            .take(MAX_STRAYS)
            .filter_map(|stray| {
                let content = read_regular(&stray.path, MAX_BUNDLE as u64).ok()?;
                Some(GivenSignature {
                    label: stray.shown.clone(),
                    content: content.to_vec(),
                })
            })
            .collect();
        if given.is_empty() {
            return Ok(None);
        }
        let judged = self.judge_all(item, &given, cannot)?;
        if !judged.is_valid() {
            return Ok(None);
        }
        let own = judged
            .verified
            .checked
            .iter()
            .filter(|c| c.signer.is_some());
        for signature in own {
            let fits = strays.iter().filter(|s| s.shown == signature.location);
            fits.for_each(|stray| self.strays.fits(&stray.path));
        }
        let mut judged = judged;
        let place = |c: &CheckedSignature| c.signer.is_some().then(|| format!("`{}`", c.location));
        let places: Vec<_> = judged.verified.checked.iter().filter_map(place).collect();
        let note = format!("signed by {}, which has another name", places.join(" and "));
        judged.verified.notes = vec![note];
        Ok(Some(judged))
    }

    /// What all policies say.
    fn judge_all(
        &self,
        item: &Item,
        given: &[GivenSignature],
        cannot: &dyn Fn() -> String,
    ) -> Result<Judged, CommandError> {
        let mut judged: Option<Judged> = None;
        let mut reference = item.reference.to_string();
        let mut read: Option<Vec<Digest>> = None;
        for demand in self.demands {
            let this = self.judge(demand, item, &reference, given, cannot)?;
            let artifact = &this.verified.artifact;
            // Two policies are met by one artifact only if both have seen the same bytes.
            let digests = &artifact.digests;
            if read.as_ref().is_some_and(|before| !same(before, digests)) {
                return Err(CommandError::could_not_tell(cannot())
                    .because("it changed while it was read")
                    .hint("verify it again once nobody writes it"));
            }
            read = Some(digests.clone());
            reference.clone_from(&artifact.reference);
            // The first that is not met is the answer; what all of them find is told by the first.
            let met = this.is_valid();
            if judged.is_none() || !met {
                judged = Some(this);
            }
            if !met {
                break;
            }
        }
        judged.ok_or_else(|| CommandError::bug("there was no policy"))
    }

    fn judge(
        &self,
        demand: &Demand,
        item: &Item,
        reference: &str,
        given: &[GivenSignature],
        cannot: &dyn Fn() -> String,
    ) -> Result<Judged, CommandError> {
        let source = self.sources.get(item.source())?;
        let request = VerifyingRequest {
            reference,
            pins: source.pins,
            is_own: source.backend.is_first_party(),
            given,
            store: self
                .store
                .as_ref()
                .map(Option::as_ref)
                .map_err(Clone::clone),
            policy: &demand.policy,
        };
        let mut verified = verify_artifact(&source.handle, &request)
            .map_err(|error| source.failed(cannot(), error))?;
        match &verified.proof {
            Proof::Own => {}
            Proof::File(path) => self.sources.trace(&format!(
                "read {}, to check what the backend `{}` says of it",
                quoted_path(path),
                source.backend
            )),
            Proof::Word => verified.notes.push(format!(
                "what it is stands on the word of the backend `{}`: there is no file to read",
                source.backend
            )),
        }
        Ok(Judged {
            verified,
            of_machine: demand.of_machine.clone(),
            head: None,
        })
    }
}

/// Whether two readings gave the same digest: SHA-256 is always among them.
fn same(before: &[Digest], now: &[Digest]) -> bool {
    before.iter().any(|digest| now.contains(digest))
}

fn given(places: &Places<'_>, item: &Item) -> Result<Vec<GivenSignature>, CommandError> {
    let mut given = Vec::new();
    for (_, path, suffix) in places.given() {
        let path = destination(path, item, suffix);
        let content = read_regular(&path, MAX_BUNDLE as u64).map_err(|e| {
            let what = format!("cannot read the signature `{}`", path.display());
            match &e {
                // It may be a signature all the same.
                ReadError::TooLarge { .. } => CommandError::could_not_tell(what).because(e),
                _ => CommandError::input(what).because(e),
            }
        })?;
        given.push(GivenSignature {
            label: path.display().to_string(),
            content: content.to_vec(),
        });
    }
    Ok(given)
}

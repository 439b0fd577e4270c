//! `sigtool history`: the entries of the ledger, the newest first; with `--verify`, whether its chain is whole.

use crate::app::App;
use crate::args::{History, HistoryCommand};
use crate::custody::ledger::{open_to_read, place, unreadable};
use crate::custody::names::{names, signers};
use crate::custody::recorder::Custody;
use crate::error::{CommandError, Failure, Outcome};
use crate::output::Text;
use crate::report::entry::{FindingRow, Report, Restart, Row, Status, entries, text};
use sigtool_core::ledger::{Head, Ledger, LedgerError, Proof, Query};
use std::ops::ControlFlow;

pub(crate) fn run(app: &App, args: &History) -> Outcome {
    if let Some(HistoryCommand::Restart) = args.command {
        return restart(app);
    }
    if args.verify {
        return prove(app, args.head.as_ref());
    }
    let Some(ledger) = open_to_read(app)? else {
        app.ui
            .note("nothing has been signed or verified here yet, or never with a history");
        app.ui.end_items();
        return Ok(0);
    };
    let query = Query {
        artifacts: args.artifact.as_deref().map(names).transpose()?,
        since: args.since.clone(),
        signer: args.signer.as_deref().map(|word| signers(app, word)),
        limit: args.limit,
    };
    let mut shown = 0_usize;
    let head = ledger
        .entries(&query, |recorded| {
            let gap = (shown > 0).then(String::new);
            let lines = gap.into_iter().chain(text(app, &recorded));
            app.ui.item(Text::lines(lines), &Row(&recorded));
            shown += 1;
            ControlFlow::Continue(())
        })
        .map_err(unreadable)?;
    app.ui.end_items();
    if shown == 0 && args.limit != Some(0) {
        app.ui.note("no entry is about that");
    }
    app.ui
        .say(&format!("{shown} of {}, head {head}", entries(&head)));
    Ok(0)
}

fn prove(app: &App, anchor: Option<&Head>) -> Outcome {
    let proof = match Ledger::open_to_read(&place(app)?) {
        Ok(Some(ledger)) => ledger.prove(anchor).map_err(unreadable)?,
        Ok(None) => Proof::of_nothing(anchor),
        Err(LedgerError::Broken(finding)) => Proof::of(finding),
        Err(LedgerError::Gone(head)) => Proof::of_nothing(Some(&head)),
        Err(error) => return Err(unreadable(error)),
    };
    let findings = &proof.findings;
    let report = Report {
        status: if findings.is_empty() {
            Status::Whole
        } else {
            Status::Broken
        },
        head: &proof.head,
        findings: findings
            .iter()
            .map(|finding| FindingRow {
                finding,
                message: finding.to_string(),
            })
            .collect(),
        more: proof.more,
    };
    if findings.is_empty() {
        let text = format!("whole: {}, head {}", entries(&proof.head), proof.head);
        app.ui.result(&text, &report);
        return Ok(0);
    }
    let mut error = CommandError::new(Failure::Refused, "the ledger is broken");
    for finding in findings {
        error = error.because(finding);
    }
    if proof.more > 0 {
        error = error.because(format!("{} more of that kind", proof.more));
    }
    app.ui.error(
        &error.hint(
            "what it says is no longer proof: compare it with a copy that was kept elsewhere",
        ),
    );
    if app.ui.is_machine() {
        app.ui.result("", &report);
    }
    Ok(Failure::Refused.exit_code())
}

fn restart(app: &App) -> Outcome {
    let event = Custody::restarting(app);
    let restarted = Ledger::restart(&place(app)?, event).map_err(|error| match error {
        LedgerError::Whole => CommandError::input("the ledger is not broken")
            .hint("it stays as it is: sigtool history"),
        error => CommandError::could_not_tell("the ledger cannot be begun anew").because(error),
    })?;
    for found in &restarted.found {
        app.ui.note(&format!("found: {found}"));
    }
    let row = Restart::of(&restarted);
    let kept: Vec<String> = row
        .moved_to
        .iter()
        .map(|path| format!("`{path}`"))
        .collect();
    app.ui.result(
        &format!(
            "a new ledger begins, head {}; the old one is in {}",
            row.head,
            kept.join(", ")
        ),
        &row,
    );
    Ok(0)
}

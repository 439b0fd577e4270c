//! Where this run takes place: in a CI system, as its variables say, or on somebody's machine.

use sigtool_core::ledger::Execution;
use sigtool_sdk::types::authority::is_authority;
use std::collections::BTreeMap;

/// What a CI system calls its facts.
struct System {
    name: &'static str,
    /// A variable that only this system sets, and the value that it must have where saying anything but no is not enough.
    known_by: (&'static str, Option<&'static str>),
    url: fn(&Facts<'_>) -> Option<String>,
    project: &'static [&'static str],
    pipeline: &'static str,
    run: &'static str,
    stage: &'static str,
    step: &'static str,
    trigger: &'static str,
    triggered_by: &'static str,
    commit: &'static str,
    /// The first that is set: where a tag has a variable of its own, it comes before the branch.
    git_ref: &'static [&'static str],
}

/// Harness first: its runners may set the variables of Drone and, in a step that builds for another system, those of that system.
const SYSTEMS: [System; 7] = [
    System {
        name: "harness",
        known_by: ("HARNESS_PIPELINE_ID", None),
        url: harness,
        project: &["HARNESS_ORG_ID", "HARNESS_PROJECT_ID"],
        pipeline: "HARNESS_PIPELINE_ID",
        run: "HARNESS_EXECUTION_ID",
        stage: "HARNESS_STAGE_ID",
        step: "HARNESS_STEP_ID",
        trigger: "DRONE_BUILD_EVENT",
        triggered_by: "DRONE_BUILD_TRIGGER",
        commit: "DRONE_COMMIT_SHA",
        git_ref: &["DRONE_COMMIT_REF"],
    },
    System {
        name: "github-actions",
        known_by: ("GITHUB_ACTIONS", Some("true")),
        url: github,
        project: &["GITHUB_REPOSITORY"],
        pipeline: "GITHUB_WORKFLOW",
        run: "GITHUB_RUN_ID",
        stage: "",
        step: "GITHUB_JOB",
        trigger: "GITHUB_EVENT_NAME",
        triggered_by: "GITHUB_ACTOR",
        commit: "GITHUB_SHA",
        git_ref: &["GITHUB_REF"],
    },
    System {
        name: "gitlab",
        known_by: ("GITLAB_CI", None),
        url: |facts| {
            facts
                .address("CI_JOB_URL")
                .or_else(|| facts.address("CI_PIPELINE_URL"))
        },
        project: &["CI_PROJECT_PATH"],
        pipeline: "CI_PIPELINE_NAME",
        run: "CI_PIPELINE_ID",
        stage: "CI_JOB_STAGE",
        step: "CI_JOB_NAME",
        trigger: "CI_PIPELINE_SOURCE",
        triggered_by: "GITLAB_USER_LOGIN",
        commit: "CI_COMMIT_SHA",
        git_ref: &["CI_COMMIT_REF_NAME"],
    },
    System {
        name: "buildkite",
        known_by: ("BUILDKITE", Some("true")),
        url: buildkite,
        project: &["BUILDKITE_ORGANIZATION_SLUG"],
        pipeline: "BUILDKITE_PIPELINE_SLUG",
        run: "BUILDKITE_BUILD_NUMBER",
        stage: "BUILDKITE_GROUP_LABEL",
        step: "BUILDKITE_LABEL",
        trigger: "BUILDKITE_SOURCE",
        triggered_by: "BUILDKITE_BUILD_CREATOR",
        commit: "BUILDKITE_COMMIT",
        git_ref: &["BUILDKITE_TAG", "BUILDKITE_BRANCH"],
    },
    System {
        name: "circleci",
        known_by: ("CIRCLECI", Some("true")),
        url: |facts| facts.address("CIRCLE_BUILD_URL"),
        project: &["CIRCLE_PROJECT_USERNAME", "CIRCLE_PROJECT_REPONAME"],
        pipeline: "CIRCLE_WORKFLOW_ID",
        run: "CIRCLE_BUILD_NUM",
        stage: "",
        step: "CIRCLE_JOB",
        trigger: "",
        triggered_by: "CIRCLE_USERNAME",
        commit: "CIRCLE_SHA1",
        git_ref: &["CIRCLE_TAG", "CIRCLE_BRANCH"],
    },
    System {
        name: "azure-pipelines",
        known_by: ("TF_BUILD", None),
        url: azure,
        project: &["SYSTEM_TEAMPROJECT"],
        pipeline: "BUILD_DEFINITIONNAME",
        run: "BUILD_BUILDNUMBER",
        stage: "SYSTEM_STAGEDISPLAYNAME",
        step: "SYSTEM_JOBDISPLAYNAME",
        trigger: "BUILD_REASON",
        triggered_by: "BUILD_REQUESTEDFOR",
        commit: "BUILD_SOURCEVERSION",
        git_ref: &["BUILD_SOURCEBRANCH"],
    },
    // Last: a Jenkins may start builds of the others, and lends them its variables.
    System {
        name: "jenkins",
        known_by: ("JENKINS_URL", None),
        url: |facts| facts.address("BUILD_URL"),
        project: &[],
        pipeline: "JOB_NAME",
        run: "BUILD_NUMBER",
        stage: "STAGE_NAME",
        step: "",
        trigger: "",
        triggered_by: "BUILD_USER_ID",
        commit: "GIT_COMMIT",
        git_ref: &["GIT_BRANCH"],
    },
];

/// More than any name or address has; an environment must not fill the ledger.
const MAX_FACT: usize = 1024;

struct Facts<'a>(&'a BTreeMap<String, String>);

impl Facts<'_> {
    fn get(&self, name: &str) -> Option<String> {
        let value = self.0.get(name)?;
        (!value.is_empty()).then(|| value.chars().take(MAX_FACT).collect())
    }

    /// The address of a page, without what may be a secret in it.
    fn address(&self, name: &str) -> Option<String> {
        // Part of an address is not an address, and might be part of the secret.
        let whole = self.0.get(name).filter(|url| url.len() <= MAX_FACT)?;
        without_secrets(whole)
    }
}

/// Whether nobody sits at this run, as the variables say that every CI system sets: then nobody is asked.
pub(crate) fn is_ci(environment: &BTreeMap<String, String>) -> bool {
    let is_set = environment
        .get("CI")
        .is_some_and(|value| !matches!(value.as_str(), "" | "false"));
    is_set || execution(environment).system.is_some()
}

/// Reads the environment. Nobody has proven what it says.
pub(crate) fn execution(environment: &BTreeMap<String, String>) -> Execution {
    let facts = Facts(environment);
    let here = SYSTEMS.iter().find(|system| {
        let (name, value) = system.known_by;
        facts.get(name).is_some_and(|found| match value {
            Some(value) => found == value,
            None => !says_no(&found),
        })
    });
    let Some(system) = here else {
        return elsewhere(&facts);
    };
    let project: Vec<String> = system.project.iter().filter_map(|n| facts.get(n)).collect();
    Execution {
        system: Some(system.name.to_owned()),
        url: (system.url)(&facts),
        project: (!project.is_empty()).then(|| project.join("/")),
        pipeline: facts.get(system.pipeline),
        run: facts.get(system.run),
        stage: facts.get(system.stage),
        step: facts.get(system.step),
        trigger: facts.get(system.trigger),
        triggered_by: facts.get(system.triggered_by),
        commit: facts.get(system.commit),
        git_ref: system.git_ref.iter().find_map(|name| facts.get(name)),
        ..Execution::default()
    }
}

/// On somebody's machine. Who that is the system says; anybody may set `USER`.
fn elsewhere(facts: &Facts<'_>) -> Execution {
    let user = user();
    Execution {
        user_variable: facts.get("USER").filter(|name| *name != user),
        user: Some(user),
        host: Some(host()),
        ..Execution::default()
    }
}

fn harness(facts: &Facts<'_>) -> Option<String> {
    if let Some(url) = facts.address("DRONE_BUILD_LINK") {
        return Some(url);
    }
    let get = |name: &str| facts.get(&format!("HARNESS_{name}_ID"));
    Some(format!(
        "https://app.harness.io/ng/account/{}/module/ci/orgs/{}/projects/{}/pipelines/{}/executions/{}/pipeline",
        get("ACCOUNT")?,
        get("ORG")?,
        get("PROJECT")?,
        get("PIPELINE")?,
        get("EXECUTION")?
    ))
}

fn github(facts: &Facts<'_>) -> Option<String> {
    let run = format!(
        "{}/{}/actions/runs/{}",
        facts.address("GITHUB_SERVER_URL")?,
        facts.get("GITHUB_REPOSITORY")?,
        facts.get("GITHUB_RUN_ID")?
    );
    Some(match facts.get("GITHUB_RUN_ATTEMPT") {
        Some(attempt) => format!("{run}/attempts/{attempt}"),
        None => run,
    })
}

fn buildkite(facts: &Facts<'_>) -> Option<String> {
    let build = facts.address("BUILDKITE_BUILD_URL")?;
    Some(match facts.get("BUILDKITE_JOB_ID") {
        Some(job) => format!("{build}#{job}"),
        None => build,
    })
}

fn azure(facts: &Facts<'_>) -> Option<String> {
    let server = facts.address("SYSTEM_COLLECTIONURI")?;
    Some(format!(
        "{}/{}/_build/results?buildId={}",
        server.trim_end_matches('/'),
        facts.get("SYSTEM_TEAMPROJECT")?.replace(' ', "%20"),
        facts.get("BUILD_BUILDID")?
    ))
}

/// Whether a variable says that this is not its system: somebody has switched it off for a run by hand.
fn says_no(value: &str) -> bool {
    ["", "0", "false"]
        .iter()
        .any(|no| value.eq_ignore_ascii_case(no))
}

/// An address without user, password, query and fragment. Nothing if it is not one, or if its apparent path may be the rest of a
/// password.
fn without_secrets(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    if !["http", "https"]
        .iter()
        .any(|s| scheme.eq_ignore_ascii_case(s))
    {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let place = authority.rsplit_once('@').map_or(authority, |(_, p)| p);
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let unwritable = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    // Hosts of CI systems may have an underline in them, which no domain has.
    if !is_authority(&place.replace('_', "-")) || rest.contains('@') || path.contains(unwritable) {
        return None;
    }
    Some(format!("{scheme}://{place}{path}"))
}

fn host() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}

/// The name of the user who runs this, as the system's own file has it: asking the name service would open a socket.
fn user() -> String {
    let uid = rustix::process::getuid().as_raw();
    let users = std::fs::read("/etc/passwd").unwrap_or_default();
    name_of(uid, &String::from_utf8_lossy(&users)).unwrap_or_else(|| format!("user {uid}"))
}

/// The name of a user in the lines of passwd(5): name, password, number and more, with colons between them.
fn name_of(uid: u32, users: &str) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        let is_this = !name.is_empty() && number.parse() == Ok(uid);
        is_this.then(|| name.chars().take(MAX_FACT).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Execution {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        execution(&variables.iter().map(own).collect())
    }

    fn expect(variables: &[(&str, &str)], system: &str, url: &str, names: [&str; 5]) {
        let found = of(variables);
        assert_eq!(found.system.as_deref(), Some(system));
        assert_eq!(found.url.as_deref(), Some(url), "{system}");
        let told = [
            found.project,
            found.pipeline,
            found.run,
            found.stage,
            found.step,
        ];
        let told = told.map(|fact| fact.unwrap_or_default());
        assert_eq!(told, names, "{system}");
        assert_eq!((found.host, found.user), (None, None));
    }

    #[test]
    fn each_ci_system_tells_its_run() {
        expect(
            &[
                ("HARNESS_ACCOUNT_ID", "acc"),
                ("HARNESS_ORG_ID", "org"),
                ("HARNESS_PROJECT_ID", "shop"),
                ("HARNESS_PIPELINE_ID", "release"),
                ("HARNESS_EXECUTION_ID", "x1"),
                ("HARNESS_STAGE_ID", "build"),
                ("HARNESS_STEP_ID", "sign"),
            ],
            "harness",
            "https://app.harness.io/ng/account/acc/module/ci/orgs/org/projects/shop/pipelines/release/executions/x1/pipeline",
            ["org/shop", "release", "x1", "build", "sign"],
        );
        expect(
            &[
                ("GITHUB_ACTIONS", "true"),
                ("GITHUB_SERVER_URL", "https://github.com"),
                ("GITHUB_REPOSITORY", "acme/shop"),
                ("GITHUB_RUN_ID", "77"),
                ("GITHUB_RUN_ATTEMPT", "2"),
                ("GITHUB_WORKFLOW", "release"),
                ("GITHUB_JOB", "sign"),
            ],
            "github-actions",
            "https://github.com/acme/shop/actions/runs/77/attempts/2",
            ["acme/shop", "release", "77", "", "sign"],
        );
        expect(
            &[
                ("GITLAB_CI", "true"),
                ("CI_JOB_URL", "https://gitlab.com/acme/shop/-/jobs/9"),
                ("CI_PROJECT_PATH", "acme/shop"),
                ("CI_PIPELINE_ID", "8"),
                ("CI_JOB_STAGE", "deploy"),
                ("CI_JOB_NAME", "sign"),
            ],
            "gitlab",
            "https://gitlab.com/acme/shop/-/jobs/9",
            ["acme/shop", "", "8", "deploy", "sign"],
        );
        expect(
            &[
                ("BUILDKITE", "true"),
                (
                    "BUILDKITE_BUILD_URL",
                    "https://buildkite.com/acme/shop/builds/5",
                ),
                ("BUILDKITE_JOB_ID", "j1"),
                ("BUILDKITE_ORGANIZATION_SLUG", "acme"),
                ("BUILDKITE_PIPELINE_SLUG", "shop"),
                ("BUILDKITE_BUILD_NUMBER", "5"),
                ("BUILDKITE_LABEL", "sign"),
            ],
            "buildkite",
            "https://buildkite.com/acme/shop/builds/5#j1",
            ["acme", "shop", "5", "", "sign"],
        );
        expect(
            &[
                ("CIRCLECI", "true"),
                ("CIRCLE_BUILD_URL", "https://circleci.com/gh/acme/shop/12"),
                ("CIRCLE_PROJECT_USERNAME", "acme"),
                ("CIRCLE_PROJECT_REPONAME", "shop"),
                ("CIRCLE_WORKFLOW_ID", "w"),
                ("CIRCLE_BUILD_NUM", "12"),
                ("CIRCLE_JOB", "sign"),
            ],
            "circleci",
            "https://circleci.com/gh/acme/shop/12",
            ["acme/shop", "w", "12", "", "sign"],
        );
        expect(
            &[
                ("TF_BUILD", "True"),
                ("SYSTEM_COLLECTIONURI", "https://dev.azure.com/acme/"),
                ("SYSTEM_TEAMPROJECT", "the shop"),
                ("BUILD_BUILDID", "31"),
                ("BUILD_BUILDNUMBER", "20261125.1"),
                ("BUILD_DEFINITIONNAME", "release"),
                ("SYSTEM_STAGEDISPLAYNAME", "Build"),
                ("SYSTEM_JOBDISPLAYNAME", "Sign"),
            ],
            "azure-pipelines",
            "https://dev.azure.com/acme/the%20shop/_build/results?buildId=31",
            ["the shop", "release", "20261125.1", "Build", "Sign"],
        );
        expect(
            &[
                ("JENKINS_URL", "https://ci.acme.example/"),
                (
                    "BUILD_URL",
                    "https://bob:hunter2@ci.acme.example/job/shop/3/",
                ),
                ("JOB_NAME", "shop"),
                ("BUILD_NUMBER", "3"),
                ("STAGE_NAME", "Sign"),
            ],
            "jenkins",
            "https://ci.acme.example/job/shop/3/",
            ["", "shop", "3", "Sign", ""],
        );
    }

    #[test]
    fn elsewhere_it_is_a_user_on_a_machine() {
        let found = of(&[("USER", "somebody else"), ("GITHUB_ACTIONS", "false")]);
        assert_eq!(found.system, None);
        let user = found.user.unwrap();
        assert_eq!(found.user_variable.as_deref(), Some("somebody else"));
        assert!(!found.host.unwrap().is_empty());
        for same in [&[("USER", &*user)][..], &[("USER", "")], &[]] {
            let found = of(same);
            assert_eq!(found.user.as_ref(), Some(&user));
            assert_eq!(found.user_variable, None);
        }
    }

    #[test]
    fn a_user_is_found_by_number_in_whatever_else_is_in_the_file() {
        let users = "# users\n\nroot:x:0:0::/root:/bin/sh\n:x:7:\nbob\nalice:x:1000:1000:Alice:/home/alice:/bin/sh\nalias:x:1000:\n+::::::\n";
        assert_eq!(name_of(0, users).as_deref(), Some("root"));
        assert_eq!(name_of(1000, users).as_deref(), Some("alice"));
        assert_eq!(name_of(100, users), None);
        assert_eq!(name_of(7, users), None);
    }

    #[test]
    fn a_run_tells_what_was_built() {
        for (system, value, commit, git_ref) in [
            (
                "HARNESS_PIPELINE_ID",
                "p",
                "DRONE_COMMIT_SHA",
                "DRONE_COMMIT_REF",
            ),
            ("GITHUB_ACTIONS", "true", "GITHUB_SHA", "GITHUB_REF"),
            ("GITLAB_CI", "true", "CI_COMMIT_SHA", "CI_COMMIT_REF_NAME"),
            ("BUILDKITE", "true", "BUILDKITE_COMMIT", "BUILDKITE_BRANCH"),
            ("BUILDKITE", "true", "BUILDKITE_COMMIT", "BUILDKITE_TAG"),
            ("CIRCLECI", "true", "CIRCLE_SHA1", "CIRCLE_BRANCH"),
            ("CIRCLECI", "true", "CIRCLE_SHA1", "CIRCLE_TAG"),
            (
                "TF_BUILD",
                "True",
                "BUILD_SOURCEVERSION",
                "BUILD_SOURCEBRANCH",
            ),
            ("JENKINS_URL", "https://ci/", "GIT_COMMIT", "GIT_BRANCH"),
        ] {
            let found = of(&[(system, value), (commit, "0a1b2c3d"), (git_ref, "v1.2")]);
            assert_eq!(found.commit.as_deref(), Some("0a1b2c3d"), "{commit}");
            assert_eq!(found.git_ref.as_deref(), Some("v1.2"), "{git_ref}");
        }
    }

    #[test]
    fn a_variable_that_says_no_tells_of_no_system() {
        for variable in [
            "GITLAB_CI",
            "TF_BUILD",
            "JENKINS_URL",
            "HARNESS_PIPELINE_ID",
            "CIRCLECI",
        ] {
            for value in ["", "0", "false", "False", "FALSE"] {
                let found = of(&[(variable, value), ("USER", "alice")]);
                assert_eq!(found.system, None, "{variable}={value}");
                assert!(found.user.is_some());
            }
        }
    }

    #[test]
    fn an_address_is_kept_without_what_may_be_secret() {
        let long = format!("https://bob:1/{}@ci/", "x".repeat(MAX_FACT));
        for (url, kept) in [
            ("https://ci/job/1", Some("https://ci/job/1")),
            (
                "http://ci.acme.example:8080/job/a%20b/",
                Some("http://ci.acme.example:8080/job/a%20b/"),
            ),
            ("https://[::1]:8080/job", Some("https://[::1]:8080/job")),
            ("https://bob:hunter2@ci/job/1", Some("https://ci/job/1")),
            ("https://bob:hunt@er2@ci", Some("https://ci")),
            (
                "https://ci/job/1?token=hunter2#hunter2",
                Some("https://ci/job/1"),
            ),
            ("https://bob:hun/ter2@ci/job/1", None),
            ("https://bob:2/hunter@ci/job/1", None),
            ("https://bob:2?hunter@ci/job/1", None),
            ("https://bob:2#hunter@ci/job/1", None),
            ("https://bob:hunter2", None),
            ("bob:hunter2@ci/job/1", None),
            ("ftp://ci/job/1", None),
            ("https://", None),
            ("https://ci/a b", None),
            ("https://ci:99999/", None),
            ("https://[ci]/", None),
            (&long, None),
        ] {
            let found = of(&[("JENKINS_URL", "https://j"), ("BUILD_URL", url)]);
            assert_eq!(found.url.as_deref(), kept, "{url}");
            assert_eq!(found.system.as_deref(), Some("jenkins"));
        }
    }

    #[test]
    fn a_long_variable_does_not_fill_the_ledger() {
        let long = "x".repeat(1 << 20);
        let found = of(&[("CIRCLECI", "true"), ("CIRCLE_JOB", &long)]);
        assert_eq!(found.step.unwrap().len(), MAX_FACT);
    }
}

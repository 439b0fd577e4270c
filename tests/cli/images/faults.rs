//! Registries that fail: in each place where they can, and in each way. What was not told is never taken for a refusal, and nothing is
//! published by halves.

use serde_json::{Value, json};
use sigtool_tests::http::Request;
use sigtool_tests::images::{INDEX, MANIFEST, digest};
use sigtool_tests::peers::{Cosign, ImageForm, Said, Version, need};
use sigtool_tests::proxy::{Fault, FaultProxy, Matcher, Seen};
use sigtool_tests::registry::Registry;
use sigtool_tests::{Bystander, Sandbox, keys, terminal};
use snapbox::str;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A password that is there for every registry, and that nobody may ever see.
const PASSWORD: &str = "canary-Zu5hWq81-registry";

/// The same as Basic credentials (RFC 7617) of the user `ann`.
const BASIC: &str = "YW5uOmNhbmFyeS1adTVoV3E4MS1yZWdpc3RyeQ==";

/// How many cells of a matrix are tried at the same time: nearly all of their time is waiting.
const AT_ONCE: usize = 48;

/// Longer than any test runs.
const FOREVER: Duration = Duration::from_secs(600);

/// Longer than a manifest may be.
const HUGE: usize = 5 << 20;

/// Two machines: one that signs, and one that has the public keys and nothing else.
struct Machines {
    signer: Sandbox,
    verifier: Sandbox,
}

impl Machines {
    fn new() -> Self {
        let signer = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
        keys::put(&signer);
        let verifier = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
        for name in ["a.pub", "b.pub"] {
            verifier.write(name, std::fs::read(signer.work().join(name)).unwrap());
        }
        Self { signer, verifier }
    }

    /// Signs with `key`, and knows nothing of what it signed before.
    fn sign(&self, registry: &str, arguments: &[&str]) -> Said {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed).to_string();
        let state = self.signer.root().join("states").join(run);
        let command = self.signer.sigtool().env("XDG_STATE_HOME", state);
        said(command.arg("sign").args(arguments), registry)
    }

    /// Whether no file of theirs holds the registry's password.
    fn have_kept_no_secret(&self) -> bool {
        let found = [&self.signer, &self.verifier]
            .map(|sandbox| sandbox.files_that_hold(PASSWORD.as_bytes()));
        found.iter().all(Vec::is_empty)
    }

    fn verify(&self, registry: &str, arguments: &[&str]) -> Said {
        let command = self.verifier.sigtool().arg("verify");
        said(command.args(arguments), registry)
    }
}

/// Runs sigtool as someone who has a password for the registry.
fn said(command: snapbox::cmd::Command, registry: &str) -> Said {
    let logins = json!({ "auths": { registry: { "auth": BASIC } } });
    let command = command.env("DOCKER_AUTH_CONFIG", logins.to_string());
    command.output().unwrap().into()
}

/// A registry, and a proxy before it that lets it fail.
struct Stage {
    // Dropped before the registry.
    proxy: FaultProxy,
    registry: Registry,
    machines: Machines,
}

impl Stage {
    fn before(registry: Registry) -> Self {
        Self {
            proxy: FaultProxy::before(&registry),
            registry,
            machines: Machines::new(),
        }
    }

    /// docker-registry, with the image `app:v1`.
    fn new() -> Option<Self> {
        let registry = Registry::docker()?;
        registry.push_image("app", "v1", "app");
        Some(Self::before(registry))
    }

    fn image(&self) -> String {
        format!("{}/app:v1", self.proxy.host())
    }

    /// `sign --attach` by the key `a`.
    fn sign(&self, more: &[&str]) -> Said {
        let image = self.image();
        let arguments = [&["--key=a.key", "--attach"], more, &[&*image]].concat();
        self.machines.sign(&self.proxy.host(), &arguments)
    }

    /// `verify` by the key `a`.
    fn verify(&self, more: &[&str]) -> Said {
        let image = self.image();
        let arguments = [&["--key=a.pub"], more, &[&*image]].concat();
        self.machines.verify(&self.proxy.host(), &arguments)
    }

    /// What was said, with names in the place of what is different each time.
    fn told(&self, said: &Said) -> String {
        assert!(!is_indiscreet(&said.text), "{said}");
        let text = said.text.replace(&self.proxy.host(), "[HOST]");
        let code = said.code.map_or("none".to_owned(), |code| code.to_string());
        format!("exit code {code}\n{}", without_digests(&text))
    }
}

/// Puts `[HEX]` in the place of each digest.
fn without_digests(text: &str) -> String {
    let mut out = String::new();
    let mut run = String::new();
    for c in text.chars().chain([' ']) {
        if matches!(c, '0'..='9' | 'a'..='f') {
            run.push(c);
            continue;
        }
        out.push_str(if run.len() == 64 { "[HEX]" } else { &run });
        run.clear();
        out.push(c);
    }
    out.pop();
    out
}

/// Whether something was told that is nobody's business: a secret, a page in HTML, the inside of sigtool.
fn is_indiscreet(text: &str) -> bool {
    let words = [
        PASSWORD,
        BASIC,
        "<html",
        "<body",
        "<h1",
        "panicked",
        "RUST_BACKTRACE",
    ];
    words.iter().any(|word| text.contains(word))
}

/// Tries all, many at the same time, and gives what went wrong.
fn try_all<T: Sync>(cells: &[T], try_one: impl Fn(&T) -> Result<(), String> + Sync) -> Vec<String> {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = catch_unwind(AssertUnwindSafe(|| try_one(cell)));
                    let outcome = outcome.unwrap_or_else(|_| Err("it panicked".to_owned()));
                    if let Err(why) = outcome {
                        wrong.lock().unwrap().push(why);
                    }
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort();
    wrong
}

/// A registry without the referrers API, and one with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Docker,
    Olareg,
}

/// What is asked of a registry when an image is signed and verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// The image's manifest.
    Image,
    /// The registry's own list of what refers to it.
    Referrers,
    /// The list under the fallback tag.
    FallbackTag,
    /// The list under the fallback tag, once more after it was written.
    FallbackTagAgain,
    /// cosign's own signatures.
    SigTag,
    /// cosign's own signatures, once more after they were written.
    SigTagAgain,
    /// The manifest of a bundle.
    Signature,
    /// What was signed, or a bundle.
    Blob,
    /// Whether the empty blob is there.
    EmptyBlob,
    /// The beginning of an upload.
    BeginUpload,
    /// The upload.
    Upload,
    /// The manifest of a bundle is written.
    PutSignature,
    /// The list under the fallback tag is written.
    PutFallbackTag,
    /// cosign's own signatures are written.
    PutSigTag,
}

impl Place {
    /// What `sign` asks of such a registry, and not in the same way of another in this matrix.
    fn when_signing(kind: Kind, format: &str) -> &'static [Self] {
        match (kind, format) {
            (Kind::Docker, "bundle") => &[
                Self::Image,
                Self::Referrers,
                Self::FallbackTag,
                Self::Signature,
                Self::Blob,
                Self::EmptyBlob,
                Self::BeginUpload,
                Self::Upload,
                Self::PutSignature,
                Self::PutFallbackTag,
                Self::FallbackTagAgain,
            ],
            (Kind::Olareg, "bundle") => &[
                Self::Referrers,
                Self::FallbackTag,
                Self::Signature,
                Self::Upload,
                Self::PutSignature,
            ],
            _ => &[
                Self::SigTag,
                Self::Blob,
                Self::BeginUpload,
                Self::Upload,
                Self::PutSigTag,
                Self::SigTagAgain,
            ],
        }
    }

    /// The request's method, and what its path contains.
    fn request(self) -> (&'static str, &'static str) {
        match self {
            Self::Image => ("GET", "/manifests/v1"),
            Self::Referrers => ("GET", "/referrers/"),
            Self::FallbackTag | Self::FallbackTagAgain => ("GET", "/manifests/sha256-"),
            Self::SigTag | Self::SigTagAgain => ("GET", ".sig"),
            Self::Signature => ("GET", "/manifests/sha256:"),
            Self::Blob => ("GET", "/blobs/"),
            Self::EmptyBlob => ("HEAD", "/blobs/"),
            Self::BeginUpload => ("POST", "/blobs/uploads/"),
            Self::Upload => ("PUT", "/blobs/uploads/"),
            Self::PutSignature => ("PUT", "/manifests/sha256:"),
            Self::PutFallbackTag => ("PUT", "/manifests/sha256-"),
            Self::PutSigTag => ("PUT", ".sig"),
        }
    }

    /// Whether anybody reads the body of the answer.
    fn has_body(self) -> bool {
        self.request().0 == "GET"
    }

    /// How often the same is asked before the request that is meant here.
    fn earlier(self) -> usize {
        match self {
            // When earlier signatures are looked for, and before the list is written.
            Self::FallbackTagAgain | Self::SigTagAgain => 2,
            _ => 0,
        }
    }

    /// Lets the trouble happen here and nowhere else.
    fn fail(self, proxy: &FaultProxy, trouble: Trouble, elsewhere: &str) {
        let all_is_well = Fault::Slow(Duration::ZERO);
        let (method, path) = self.request();
        if path == "/manifests/sha256-" {
            // The path of the `.sig` tag begins like that too.
            proxy.fault(Matcher::new(method, ".sig"), all_is_well.clone());
        }
        let matcher = Matcher::new(method, path);
        proxy.fault(matcher.clone().times(self.earlier()), all_is_well);
        proxy.fault(matcher.times(trouble.times()), trouble.fault(elsewhere));
    }

    /// Whether the trouble has happened.
    fn has_failed(self, requests: &[Seen]) -> bool {
        let (method, path) = self.request();
        let meant = |seen: &&Seen| {
            seen.method == method
                && seen.path.contains(path)
                && (path == ".sig" || !seen.path.ends_with(".sig"))
        };
        requests.iter().filter(meant).count() > self.earlier()
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    /// 401, and no word about how to log in.
    Unauthorized,
    /// 401 for every password.
    Challenged,
    Forbidden,
    Missing,
    /// 429 once, with `Retry-After: 1`.
    ThrottledOnce,
    /// 429 with `Retry-After: 3600`.
    ThrottledForAnHour,
    /// 500 twice.
    BrokenTwice,
    Broken,
    Unavailable,
    Html502,
    /// 200 with a page in HTML, as the login page of a hotel.
    HotelPage,
    CutDownloadOnce,
    CutDownload,
    CutUploadOnce,
    CutUpload,
    /// No answer, with `--timeout 1s`.
    Silent,
    WrongBytes,
    WrongDigest,
    NoLocation,
    EndlessBody,
    Bomb,
    DeepJson,
    /// A redirect to a host that answers 404.
    Elsewhere,
    /// A redirect to itself.
    Circle,
    /// 200 with a JSON object that says nothing.
    Nonsense,
}

impl Trouble {
    const ALL: [Self; 25] = [
        Self::Unauthorized,
        Self::Challenged,
        Self::Forbidden,
        Self::Missing,
        Self::ThrottledOnce,
        Self::ThrottledForAnHour,
        Self::BrokenTwice,
        Self::Broken,
        Self::Unavailable,
        Self::Html502,
        Self::HotelPage,
        Self::CutDownloadOnce,
        Self::CutDownload,
        Self::CutUploadOnce,
        Self::CutUpload,
        Self::Silent,
        Self::WrongBytes,
        Self::WrongDigest,
        Self::NoLocation,
        Self::EndlessBody,
        Self::Bomb,
        Self::DeepJson,
        Self::Elsewhere,
        Self::Circle,
        Self::Nonsense,
    ];

    /// Whether it says that there is nothing.
    fn denies(self) -> bool {
        [Self::Missing, Self::Elsewhere].contains(&self)
    }

    /// For so many requests.
    fn times(self) -> usize {
        match self {
            Self::ThrottledOnce | Self::CutDownloadOnce | Self::CutUploadOnce => 1,
            Self::BrokenTwice => 2,
            _ => usize::MAX,
        }
    }

    /// Whether it is nothing to those who do not read the body.
    fn is_about_the_body(self) -> bool {
        [
            Self::Bomb,
            Self::DeepJson,
            Self::WrongBytes,
            Self::WrongDigest,
        ]
        .contains(&self)
    }

    /// Whether it is over before sigtool gives up.
    fn passes(self) -> bool {
        self.times() < usize::MAX
    }

    fn fault(self, elsewhere: &str) -> Fault {
        let page = "<html><body><h1>Welcome to our hotel</h1></body></html>";
        match self {
            Self::Unauthorized => Fault::status(401),
            Self::Challenged => {
                let challenge = "Basic realm=\"registry\"".to_owned();
                Fault::Status(401, vec![("WWW-Authenticate", challenge)], String::new())
            }
            Self::Forbidden => Fault::status(403),
            Self::Missing => Fault::status(404),
            Self::ThrottledOnce => Fault::throttled(Some(1)),
            Self::ThrottledForAnHour => Fault::throttled(Some(3600)),
            Self::BrokenTwice | Self::Broken => Fault::status(500),
            Self::Unavailable => Fault::status(503),
            Self::Html502 => Fault::Html502,
            Self::HotelPage => {
                let html = vec![("Content-Type", "text/html".to_owned())];
                Fault::Status(200, html, page.to_owned())
            }
            Self::CutDownloadOnce | Self::CutDownload => Fault::CutDownload,
            Self::CutUploadOnce | Self::CutUpload => Fault::CutUpload,
            Self::Silent => Fault::Slow(FOREVER),
            Self::WrongBytes => Fault::WrongBytes,
            Self::WrongDigest => Fault::WrongDigestHeader,
            Self::NoLocation => Fault::NoLocation,
            Self::EndlessBody => Fault::EndlessBody,
            Self::Bomb => Fault::HugeManifest(HUGE),
            Self::DeepJson => {
                let index = vec![("Content-Type", INDEX.to_owned())];
                Fault::Status(200, index, r#"{"a":"#.repeat(1 << 18))
            }
            Self::Elsewhere => Fault::RedirectTo(format!("{elsewhere}/v2/nothing")),
            // The same path, with an empty query.
            Self::Circle => Fault::RedirectTo("?".to_owned()),
            Self::Nonsense => {
                let json = vec![("Content-Type", "application/json".to_owned())];
                Fault::Status(200, json, "{}".to_owned())
            }
        }
    }

    /// Flags with which it does not last for ever.
    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Silent => &["--timeout=1s"],
            _ => &[],
        }
    }
}

/// How an image is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signed {
    AsBundle,
    AsSig,
    AsBoth,
    Not,
}

impl Signed {
    const ALL: [Self; 4] = [Self::AsBundle, Self::AsSig, Self::AsBoth, Self::Not];

    /// The repository with such an image.
    fn repository(self) -> &'static str {
        match self {
            Self::AsBundle => "as-bundle",
            Self::AsSig => "as-sig",
            Self::AsBoth => "as-both",
            Self::Not => "not",
        }
    }

    fn format(self) -> Option<&'static str> {
        match self {
            Self::AsBundle => Some("bundle"),
            Self::AsSig => Some("cosign"),
            Self::AsBoth => Some("both"),
            Self::Not => None,
        }
    }

    /// What `verify` asks of such a registry about such an image, and not in the same way of another in this matrix.
    fn places(self, kind: Kind) -> &'static [Place] {
        use Place::{Blob, FallbackTag, Image, Referrers, SigTag, Signature};
        match (kind, self) {
            (Kind::Docker, Self::AsBundle) => &[Image, Referrers, FallbackTag, Signature, Blob],
            (Kind::Docker, Self::AsSig) => &[Image, Referrers, FallbackTag, SigTag, Blob],
            (Kind::Docker, Self::AsBoth) => &[Referrers, FallbackTag, Signature, Blob],
            (Kind::Docker, Self::Not) => &[Image, Referrers, FallbackTag, SigTag],
            (Kind::Olareg, Self::AsBundle) => &[Referrers, Signature],
            (Kind::Olareg, Self::Not) => &[Referrers, FallbackTag],
            (Kind::Olareg, Self::AsSig | Self::AsBoth) => &[],
        }
    }
}

/// A cell of the matrix of `verify`.
#[derive(Clone, Copy, Debug)]
struct Reading {
    kind: Kind,
    signed: Signed,
    place: Place,
    trouble: Trouble,
}

impl Reading {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for kind in [Kind::Docker, Kind::Olareg] {
            for signed in Signed::ALL {
                for &place in signed.places(kind) {
                    all.extend(Trouble::ALL.map(|trouble| Self {
                        kind,
                        signed,
                        place,
                        trouble,
                    }));
                }
            }
        }
        all
    }

    /// Whether the signature is found without the registry's own list.
    fn needs_no_list(self) -> bool {
        self.kind == Kind::Docker
            && self.place == Place::Referrers
            && self.signed == Signed::AsBundle
    }

    /// What `verify` may exit with.
    fn codes(self) -> &'static [i32] {
        let (signed, trouble) = (self.signed, self.trouble);
        let well: &[i32] = if signed == Signed::Not { &[1] } else { &[0] };
        let open: &[i32] = if signed == Signed::Not {
            &[1, 3]
        } else {
            &[0, 3]
        };
        if trouble.passes() || trouble == Trouble::NoLocation {
            return well;
        }
        match (self.place, signed) {
            (Place::Image, _) if trouble.denies() => &[2],
            (Place::Image, _) => &[3],
            // There is a good signature elsewhere. Who waits for the one may have no time left for the other.
            (Place::Referrers | Place::FallbackTag | Place::Signature, Signed::AsBoth)
            | (Place::Referrers | Place::FallbackTag, Signed::AsSig) => match trouble {
                Trouble::Silent => open,
                _ => well,
            },
            (Place::Referrers | Place::FallbackTag | Place::SigTag, _) => match trouble {
                // A registry that hides a list is not told from one that has none.
                _ if trouble.denies() => &[0, 1, 3],
                // What says that there is no list says it in any words, and the registry's own list has no digest.
                Trouble::WrongBytes | Trouble::WrongDigest => open,
                _ if self.needs_no_list() => open,
                _ => &[3],
            },
            // Nobody needs to be told the digest of what was asked for by its digest.
            (Place::Blob, _) if trouble == Trouble::WrongDigest => open,
            _ => &[3],
        }
    }

    fn try_it(self, registries: &Registries, machines: &Machines) -> Result<(), String> {
        let proxy = FaultProxy::before(registries.of(self.kind));
        let host = proxy.host();
        self.place
            .fail(&proxy, self.trouble, &registries.bystander.url());
        let image = format!("{host}/{}:v1", self.signed.repository());
        let arguments = [&["--key=a.pub"], self.trouble.flags(), &[&*image]].concat();
        let said = machines.verify(&host, &arguments);
        let wrong = |why: &str| Err(format!("{self:?}: {why}: {said}"));
        let code = said.code.unwrap_or(-1);
        if !self.codes().contains(&code) {
            return wrong(&format!("expected one of {:?}", self.codes()));
        }
        if !self.place.has_failed(&proxy.requests()) {
            return wrong("nobody asked there");
        }
        is_told_well(&said, &host).or_else(|why| wrong(&why))
    }
}

/// Whether an error says with whom it happened, and nothing that is nobody's business.
fn is_told_well(said: &Said, host: &str) -> Result<(), String> {
    if is_indiscreet(&said.text) {
        return Err("it tells too much".to_owned());
    }
    let failed = said.code == Some(3);
    if failed && !(said.text.starts_with("error: ") && said.text.contains(host)) {
        return Err("it does not say with whom".to_owned());
    }
    Ok(())
}

/// Both registries, and a host that has nothing to do with them.
struct Registries {
    docker: Registry,
    olareg: Registry,
    bystander: Bystander,
}

impl Registries {
    fn new() -> Option<Self> {
        Some(Self {
            docker: Registry::docker()?,
            olareg: Registry::olareg(&["--api-delete"])?,
            bystander: Bystander::start(),
        })
    }

    fn of(&self, kind: Kind) -> &Registry {
        match kind {
            Kind::Docker => &self.docker,
            Kind::Olareg => &self.olareg,
        }
    }
}

#[test]
fn whatever_fails_an_image_is_verified_or_it_could_not_be_told_and_never_refused() {
    let Some(registries) = Registries::new() else {
        return;
    };
    let machines = Machines::new();
    for kind in [Kind::Docker, Kind::Olareg] {
        let registry = registries.of(kind);
        for signed in Signed::ALL {
            let repository = signed.repository();
            registry.push_image(repository, "v1", repository);
            let Some(format) = signed.format() else {
                continue;
            };
            let image = format!("{}/{repository}:v1", registry.host());
            let sign = [
                "--key=a.key",
                "--attach",
                "--signature-format",
                format,
                &image,
            ];
            machines
                .sign(&registry.host(), &sign)
                .expect_success(&image);
        }
    }
    let cells = Reading::all();
    let wrong = try_all(&cells, |cell| cell.try_it(&registries, &machines));
    assert!(machines.have_kept_no_secret());
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cells.len(),
        wrong.join("\n")
    );
}

/// A cell of the matrix of `sign --attach`.
#[derive(Clone, Copy, Debug)]
struct Writing {
    kind: Kind,
    format: &'static str,
    place: Place,
    trouble: Trouble,
}

impl Writing {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for (kind, format) in [
            (Kind::Docker, "bundle"),
            (Kind::Docker, "cosign"),
            (Kind::Olareg, "bundle"),
        ] {
            for &place in Place::when_signing(kind, format) {
                for trouble in Trouble::ALL {
                    if place.has_body() || !trouble.is_about_the_body() {
                        all.push(Self {
                            kind,
                            format,
                            place,
                            trouble,
                        });
                    }
                }
            }
        }
        all
    }

    /// What `sign` may exit with.
    fn codes(self) -> &'static [i32] {
        let trouble = self.trouble;
        if trouble.passes() {
            return &[0];
        }
        match self.place {
            Place::Image if trouble.denies() => &[2],
            Place::Image if trouble == Trouble::NoLocation => &[0],
            Place::Image => &[3],
            Place::BeginUpload if trouble == Trouble::NoLocation => &[3],
            _ if trouble == Trouble::NoLocation => &[0],
            // What was written all the same, or what is there already, needs no more.
            _ => &[0, 3],
        }
    }

    /// Whether somebody else's signature is there before. It is to be there afterwards.
    fn has_earlier(self) -> bool {
        [
            Place::FallbackTag,
            Place::FallbackTagAgain,
            Place::SigTag,
            Place::SigTagAgain,
            Place::Signature,
            Place::Blob,
            Place::PutFallbackTag,
            Place::PutSigTag,
        ]
        .contains(&self.place)
    }

    /// Whether the earlier signature may be lost: whoever is told that there is none begins a new list.
    fn is_robbed(self) -> bool {
        self.trouble.denies()
            && self.place.request().0 == "GET"
            && ![Place::Signature, Place::Blob].contains(&self.place)
    }

    fn try_it(self, registries: &Registries, machines: &Machines) -> Result<(), String> {
        let registry = registries.of(self.kind);
        let proxy = FaultProxy::before(registry);
        let host = &proxy.host();
        let repository = format!("{}-{:?}-{:?}", self.format, self.place, self.trouble);
        let repository = repository.to_lowercase();
        registry.push_image(&repository, "v1", &repository);
        let image = format!("{host}/{repository}:v1");
        let sign = |key: &str, more: &[&str]| {
            let arguments = [
                "--attach",
                "--signature-format",
                self.format,
                "--key",
                key,
                &image,
            ];
            machines.sign(host, &[more, &arguments].concat())
        };
        let verify =
            |keys: &[&str]| machines.verify(host, &[keys, &["--require=all", &image]].concat());
        let both = ["--key=a.pub", "--key=b.pub"];
        let keys = if self.has_earlier() && !self.is_robbed() {
            &both[..]
        } else {
            &both[..1]
        };
        if self.has_earlier() {
            sign("b.key", &[]).expect_success(&image);
        }

        proxy.forget();
        self.place
            .fail(&proxy, self.trouble, &registries.bystander.url());
        let said = sign("a.key", self.trouble.flags());
        let wrong = |why: &str| Err(format!("{self:?}: {why}: {said}"));
        let requests = proxy.requests();
        proxy.mend();
        let code = said.code.unwrap_or(-1);
        if !self.codes().contains(&code) {
            return wrong(&format!("expected one of {:?}", self.codes()));
        }
        // Whoever has little time may not come so far.
        if !self.place.has_failed(&requests) && self.trouble != Trouble::Silent {
            return wrong("nobody asked there");
        }
        if let Err(why) = is_told_well(&said, host) {
            return wrong(&why);
        }
        let has_written = requests
            .iter()
            .any(|seen| seen.method == "PUT" || seen.method == "POST");
        if code == 0 || has_written {
            let seen = verify(keys);
            let expected: &[i32] = if code == 0 { &[0] } else { &[0, 1] };
            if !expected.contains(&seen.code.unwrap_or(-1)) {
                return wrong(&format!("then `verify` says {seen}"));
            }
            if let [_, theirs] = keys
                && code != 0
            {
                let seen = verify(&[theirs]);
                if !seen.is_success() {
                    return wrong(&format!("the other signature: {seen}"));
                }
            }
        }
        if code == 0 || !has_written {
            return Ok(());
        }
        for seen in [sign("a.key", &[]), verify(keys)] {
            if !seen.is_success() {
                return wrong(&format!("without the fault: {seen}"));
            }
        }
        Ok(())
    }
}

#[test]
fn whatever_fails_a_signature_is_published_or_it_is_not_and_the_next_try_succeeds() {
    let Some(registries) = Registries::new() else {
        return;
    };
    let machines = Machines::new();
    let cells = Writing::all();
    let wrong = try_all(&cells, |cell| cell.try_it(&registries, &machines));
    assert!(machines.have_kept_no_secret());
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cells.len(),
        wrong.join("\n")
    );
}

/// What we find after a failure, cosign finds too, and no more.
#[test]
fn cosign_counts_no_signature_that_was_published_by_halves() {
    let (Some(registries), Some(cosign)) = (Registries::new(), Cosign::find(Version::V3)) else {
        return;
    };
    let machines = Machines::new();
    let mut cells = Writing::all();
    cells.retain(|cell| !cell.place.has_body() || cell.place.earlier() > 0);
    cells.retain(|cell| [Trouble::Forbidden, Trouble::HotelPage].contains(&cell.trouble));
    let wrong = try_all(&cells, |cell| {
        let proxy = FaultProxy::before(registries.of(cell.kind));
        let host = &proxy.host();
        let repository = format!("cosign-{}-{:?}-{:?}", cell.format, cell.place, cell.trouble);
        let repository = repository.to_lowercase();
        let app = registries
            .of(cell.kind)
            .push_image(&repository, "v1", &repository);
        let image = format!("{host}/{repository}@{app}");
        cell.place.fail(&proxy, cell.trouble, "");
        let sign = [
            "--key=a.key",
            "--attach",
            "--signature-format",
            cell.format,
            &image,
        ];
        let signed = machines.sign(host, &sign);
        proxy.mend();
        let ours = machines.verify(host, &["--key=a.pub", &image]);
        let form = match cell.format {
            "bundle" => ImageForm::Bundle,
            _ => ImageForm::Sig,
        };
        let theirs = cosign.verify_image(&machines.verifier, "a.pub", form, &image, &[]);
        if ours.is_success() != theirs.is_success() {
            return Err(format!("{cell:?}: {signed}\nwe: {ours}\ncosign: {theirs}"));
        }
        Ok(())
    });
    assert!(!cells.is_empty());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a registry says when it refuses, and whether it is asked again.
#[test]
fn what_failed_is_said_with_the_registrys_name_and_in_its_words() {
    let Some(stage) = Stage::new() else { return };
    let fail = |method, path: &str, fault| {
        stage.proxy.mend();
        stage.proxy.forget();
        stage.proxy.fault(Matcher::new(method, path), fault);
    };
    let denied =
        r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#;

    fail(
        "GET",
        "/manifests/v1",
        Fault::Status(403, Vec::new(), denied.to_owned()),
    );
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/app:v1`
  caused by: cannot read `[HOST]/app:v1`
  caused by: `[HOST]` answered 403 Forbidden: DENIED: requested access to the resource is denied
  caused by: it has not asked for credentials

"#]]
    );
    fail("GET", "/manifests/v1", Fault::status(401));
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/app:v1`
  caused by: cannot read `[HOST]/app:v1`
  caused by: `[HOST]` answered 401 Unauthorized
  caused by: it has not asked for credentials
  caused by: it does not say how to log in, or in no way known here

"#]]
    );
    fail("GET", "/manifests/v1", Fault::status(404));
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 2
error: cannot verify `[HOST]/app:v1`
  caused by: there is no image `[HOST]/app:v1`

"#]]
    );
    fail("GET", "/manifests/v1", Fault::Html502);
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/app:v1`
  caused by: cannot read `[HOST]/app:v1`
  caused by: `[HOST]` answered 502 Bad Gateway

"#]]
    );
    assert_eq!(
        stage.proxy.count("GET", "/manifests/v1"),
        5,
        "it is retried"
    );
    fail("GET", "/manifests/v1", Fault::CutDownload);
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/app:v1`
  caused by: cannot read `[HOST]/app:v1`
  caused by: the connection to `[HOST]` was cut in the middle of the answer
  caused by: end of file before message length reached

"#]]
    );
    assert_eq!(
        stage.proxy.count("GET", "/manifests/v1"),
        5,
        "it is retried"
    );
    fail("GET", "/manifests/v1", Fault::EndlessBody);
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/app:v1`
  caused by: cannot read `[HOST]/app:v1`
  caused by: `[HOST]` answered more than 4194304 bytes

"#]]
    );
    fail("GET", "/manifests/v1", Fault::HugeManifest(HUGE));
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/app:v1`
  caused by: cannot read `[HOST]/app:v1`
  caused by: `[HOST]` answered more than 4194304 bytes

"#]]
    );
    fail("GET", "/manifests/v1", Trouble::DeepJson.fault(""));
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/app:v1`
  caused by: cannot read `[HOST]/app:v1`
  caused by: what the registry sent is not a manifest
  caused by: recursion limit exceeded at line 1 column 636

"#]]
    );
    fail("GET", "/manifests/v1", Trouble::HotelPage.fault(""));
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/app:v1`
  caused by: cannot read `[HOST]/app:v1`
  caused by: what the registry sent is not a manifest
  caused by: expected value at line 1 column 1

"#]]
    );
    fail("GET", "/manifests/v1", Trouble::Circle.fault(""));
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/app:v1`
  caused by: cannot read `[HOST]/app:v1`
  caused by: `[HOST]` redirects once more after 5 redirects

"#]]
    );
    fail("GET", "/manifests/v1", Fault::WrongDigestHeader);
    let said = stage.told(&stage.verify(&[]));
    assert!(said.contains("is what the registry says"), "{said}");
    fail("GET", "/referrers/", Fault::status(500));
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 3
error: could not tell whether `[HOST]/app:v1` is signed as the policy demands
  caused by: could not look beside the artifact: cannot list what refers to `[HOST]/app@sha256:[HEX]`: `[HOST]` answered 500 Internal Server Error

"#]]
    );

    fail("POST", "/blobs/uploads/", Fault::NoLocation);
    snapbox::assert_data_eq!(
        stage.told(&stage.sign(&[])),
        str![[r#"
exit code 3
error: cannot sign `[HOST]/app:v1`
  caused by: cannot push to `[HOST]/app`
  caused by: the registry began an upload, and did not say where (`Location`)

"#]]
    );
    fail("PUT", "/blobs/uploads/", Fault::CutUpload);
    snapbox::assert_data_eq!(
        stage.told(&stage.sign(&[])),
        str![[r#"
exit code 3
error: cannot sign `[HOST]/app:v1`
  caused by: the backend `oci` failed in `source.attach`
  caused by: cannot push to `[HOST]/app`
  caused by: the connection to `[HOST]` was cut before it answered
  caused by: connection closed before message completed

"#]]
    );
    assert_eq!(
        stage.proxy.count("PUT", "/blobs/uploads/"),
        5,
        "it is retried"
    );
    fail("POST", "/blobs/uploads/", Fault::status(405));
    snapbox::assert_data_eq!(
        stage.told(&stage.sign(&[])),
        str![[r#"
exit code 3
error: cannot sign `[HOST]/app:v1`
  caused by: the backend `oci` failed in `source.attach`
  caused by: cannot push to `[HOST]/app`
  caused by: `[HOST]` answered 405 Method Not Allowed
  caused by: it takes no uploads there
  hint: this source keeps no signatures: say where they go with `--bundle FILE` or `--signature FILE`

"#]]
    );
    // What could not be pushed is not kept as if it had been; what was is named.
    fail("PUT", ".sig", Fault::status(403));
    snapbox::assert_data_eq!(
        stage.told(&stage.sign(&["--signature-format=both"])),
        str![[r#"
exit code 3
error: cannot sign `[HOST]/app:v1`
  caused by: cannot write `[HOST]/app:sha256-[HEX].sig`
  caused by: `[HOST]` answered 403 Forbidden
  caused by: it has not asked for credentials
  caused by: already written: [HOST]/app@sha256:[HEX]

"#]]
    );
    fail("PUT", "/manifests/sha256-", Fault::status(503));
    snapbox::assert_data_eq!(
        stage.told(&stage.sign(&[])),
        str![[r#"
exit code 3
error: cannot sign `[HOST]/app:v1`
  caused by: the backend `oci` failed in `source.attach`
  caused by: cannot write `[HOST]/app:sha256-[HEX]`
  caused by: `[HOST]` answered 503 Service Unavailable

"#]]
    );
    stage.proxy.mend();
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 0
valid [HOST]/app:v1 (sha256:[HEX]), signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]]
    );
}

#[test]
fn a_registry_that_asks_for_a_moment_gets_it() {
    let Some(stage) = Stage::new() else { return };
    for path in ["/manifests/v1", "/blobs/uploads/", "/manifests/sha256-"] {
        stage
            .proxy
            .fault(Matcher::new("", path).once(), Fault::throttled(Some(1)));
    }
    stage.sign(&[]).expect_success("it waits");
    let requests = stage.proxy.requests();
    let throttled = requests.iter().filter(|seen| seen.status == Some(429));
    assert_eq!(throttled.count(), 3);
    stage.verify(&[]).expect_success("signed");
}

#[test]
fn a_registry_that_asks_for_an_hour_is_asked_once_and_the_user_is_told_how_long_it_takes() {
    let Some(stage) = Stage::new() else { return };
    let hour = || Fault::throttled(Some(3600));
    stage
        .proxy
        .fault(Matcher::new("GET", "/manifests/v1"), hour());
    let said = stage.verify(&[]);
    assert_eq!(said.code, Some(3), "{said}");
    assert_eq!(stage.proxy.count("GET", "/manifests/v1"), 1);
    let text = stage.told(&said);
    assert!(
        text.contains("3600 s") || text.contains("hour") || text.contains("1 h"),
        "{text}"
    );
}

#[test]
fn a_registry_that_does_not_answer_is_left_after_the_time_that_was_given() {
    let Some(stage) = Stage::new() else { return };
    for place in ["/manifests/v1", "/referrers/", "/manifests/sha256-"] {
        stage.proxy.mend();
        stage
            .proxy
            .fault(Matcher::new("GET", place), Fault::Slow(FOREVER));
        for said in [
            stage.verify(&["--timeout=1s"]),
            stage.sign(&["--timeout=1s"]),
        ] {
            assert_eq!(said.code, Some(3), "{place}: {said}");
            let text = stage.told(&said);
            assert!(
                text.contains("[HOST]") && text.contains("answer"),
                "{place}: {text}"
            );
        }
    }
}

#[test]
fn what_is_pulled_and_pushed_stands_on_a_terminal_while_a_slow_registry_is_waited_for() {
    let (Some(stage), Some(python)) = (Stage::new(), need("python3")) else {
        return;
    };
    for place in [
        Matcher::new("GET", "/manifests/v1"),
        Matcher::new("PUT", "/manifests/"),
    ] {
        let slow = Fault::Slow(Duration::from_secs(1));
        stage.proxy.fault(place.once(), slow);
    }
    let image = stage.image();
    let sign = ["sign", "--key=a.key", "--attach", &image];
    let said = terminal::run(
        &stage.machines.signer,
        &python,
        &[],
        &[("TERM", "xterm")],
        &sign,
    );
    assert_eq!(said.code, Some(0), "{}", said.text);
    let (pulling, pushing) = (
        format!("pulling {image}"),
        format!("pushing the signature of {}/app@", stage.proxy.host()),
    );
    let signed = format!("signed {image} (");
    for shown in [&pulling, &pushing, "signing ", &signed] {
        assert!(said.text.contains(shown), "{shown}: {}", said.text);
    }
    let last = said.text.rsplit("\u{1b}[2K").next().unwrap();
    assert_eq!(last, "", "no bar is left");
}

/// An index of so many manifests that nobody has.
fn index(entries: usize) -> String {
    let entry = |number: usize| {
        let digest = digest(&number.to_le_bytes());
        json!({ "mediaType": MANIFEST, "digest": digest, "size": 1 })
    };
    let manifests: Vec<Value> = (0..entries).map(entry).collect();
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests }).to_string()
}

fn as_index(body: String) -> Fault {
    Fault::Status(200, vec![("Content-Type", INDEX.to_owned())], body)
}

/// The registry has another manifest in its place, with all that belongs to it.
#[test]
fn an_image_named_by_its_digest_is_that_image_or_none() {
    let Some(stage) = Stage::new() else { return };
    stage.sign(&[]).expect_success("without a fault");
    let app = digest(&stage.registry.get("/v2/app/manifests/v1", MANIFEST).body);
    let host = stage.proxy.host();
    for image in [format!("{host}/app@{app}"), format!("{host}/app:v1@{app}")] {
        let verify = || stage.machines.verify(&host, &["--key=a.pub", &image]);
        stage.proxy.mend();
        verify().expect_success(&image);
        let path = format!("/manifests/{app}");
        let another = Fault::HugeManifest(1000);
        stage.proxy.fault(Matcher::new("GET", path), another);
        let sign = ["--key=a.key", "--attach", &*image];
        for said in [verify(), stage.machines.sign(&host, &sign)] {
            assert_eq!(said.code, Some(3), "{image}: {said}");
            assert!(said.text.contains("was asked for"), "{image}: {said}");
        }
    }
}

#[test]
fn an_index_without_end_is_not_followed() {
    let Some(stage) = Stage::new() else { return };
    // An index cannot list itself, but a registry may give it whatever it is asked for.
    let itself = digest(b"some index");
    let circle = json!({ "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [{ "mediaType": INDEX, "digest": itself, "size": 300 }] });
    for (what, body, code) in [
        ("100,000 entries", index(100_000), 3),
        ("20,000 entries", index(20_000), 2),
        ("itself", circle.to_string(), 3),
    ] {
        stage.proxy.mend();
        stage.proxy.forget();
        stage
            .proxy
            .fault(Matcher::new("GET", "/manifests/"), as_index(body));
        for said in [stage.sign(&["--recursive"]), stage.verify(&["--recursive"])] {
            assert_eq!(said.code, Some(code), "{what}: {said}");
            assert!(said.text.len() < 2000, "{what}: {said}");
            stage.told(&said);
        }
        assert!(stage.proxy.requests().len() < 20, "{what}");
        assert_eq!(
            stage.proxy.count("P", "") + stage.proxy.count("PUT", ""),
            0,
            "{what}"
        );
    }
}

#[test]
fn indexes_within_indexes_are_followed_to_some_depth() {
    let Some(stage) = Stage::new() else { return };
    let mut inner = stage.registry.manifest("app", "v1").unwrap().to_string();
    let mut media_type = MANIFEST;
    for _ in 0..6 {
        let entry = json!({ "mediaType": media_type, "digest": digest(inner.as_bytes()), "size": inner.len() });
        let outer = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry, entry] });
        inner = outer.to_string();
        media_type = INDEX;
        let name = digest(inner.as_bytes());
        stage.registry.push_manifest("app", &name, INDEX, &inner);
    }
    stage.registry.push_manifest("app", "v1", INDEX, &inner);
    snapbox::assert_data_eq!(
        stage.told(&stage.sign(&["--recursive"])),
        str![[r#"
exit code 2
error: cannot list `[HOST]/app:v1`
  caused by: the indexes in `[HOST]/app@sha256:[HEX]` are nested more than 4 deep

"#]]
    );
    assert!(stage.registry.tags("app").len() == 1, "nothing is signed");
}

#[test]
fn a_list_with_pages_without_end_is_not_read_for_ever() {
    let Some(registry) = Registry::olareg(&[]) else {
        return;
    };
    let app = registry.push_image("app", "v1", "app");
    let stage = Stage::before(registry);
    stage.sign(&[]).expect_success("without a fault");
    let bystander = Bystander::at("127.0.0.2");
    let here = format!("</v2/app/referrers/{app}?page=more>; rel=\"next\"");
    let there = format!("<{}/v2/app/referrers/{app}>; rel=\"next\"", bystander.url());
    for link in [here, there] {
        stage.proxy.mend();
        stage.proxy.forget();
        let page = Fault::Status(
            200,
            vec![("Content-Type", INDEX.to_owned()), ("Link", link.clone())],
            index(0),
        );
        stage.proxy.fault(Matcher::new("GET", "/referrers/"), page);
        for said in [stage.verify(&[]), stage.sign(&[])] {
            assert_eq!(said.code, Some(3), "{link}: {said}");
            let text = stage.told(&said);
            assert!(text.contains("page") && text.contains("[HOST]"), "{text}");
        }
        assert!(stage.proxy.count("GET", "/referrers/") < 100, "{link}");
    }
    assert!(bystander.requests().is_empty());
    stage.proxy.mend();
    stage.verify(&[]).expect_success("without a fault");
}

#[test]
fn an_image_of_an_index_that_cannot_be_read_is_no_refusal_and_the_others_are_signed() {
    let Some(registry) = Registry::docker() else {
        return;
    };
    let (_, children) = registry.push_index("app", "v1", &["one", "two"]);
    let stage = Stage::before(registry);
    let break_the_first = |trouble: Trouble| {
        stage.proxy.mend();
        let path = format!("/manifests/{}", children[0]);
        stage
            .proxy
            .fault(Matcher::new("GET", path), trouble.fault(&stage.proxy.url()));
    };
    for trouble in [
        Trouble::Broken,
        Trouble::WrongBytes,
        Trouble::Nonsense,
        Trouble::Forbidden,
    ] {
        break_the_first(trouble);
        let said = stage.sign(&["--recursive"]);
        assert_eq!(said.code, Some(3), "{trouble:?}: {said}");
    }
    stage.proxy.mend();
    stage
        .sign(&["--recursive"])
        .expect_success("without a fault");
    stage
        .verify(&["--recursive"])
        .expect_success("without a fault");
    for trouble in [
        Trouble::Broken,
        Trouble::WrongBytes,
        Trouble::Nonsense,
        Trouble::Forbidden,
    ] {
        break_the_first(trouble);
        let said = stage.verify(&["--recursive"]);
        assert_eq!(said.code, Some(3), "{trouble:?}: {said}");
    }
}

/// What reached a host that has nothing to do with the registry: no word that is a secret.
fn nothing_secret_in(requests: &[Request], secrets: &[&str], what: &str) {
    for request in requests {
        let text = format!("{request:?} {}", String::from_utf8_lossy(&request.body));
        for name in ["Authorization", "Cookie", "Proxy-Authorization"] {
            let found = request.headers.value(name);
            assert_eq!(found, None, "{what}: {text}");
        }
        for secret in secrets {
            assert!(!text.contains(secret), "{what}: {text}");
        }
    }
}

/// A registry that asks who one is, with an image, signed by `a`, and a proxy before it.
fn stage_with_password() -> Option<Stage> {
    let registry = Registry::docker_with_auth("ann", PASSWORD)?;
    registry.push_image("app", "v1", "app");
    let stage = Stage::before(registry);
    stage.sign(&[]).expect_success("without a fault");
    stage.verify(&[]).expect_success("without a fault");
    Some(stage)
}

#[test]
fn no_credentials_follow_a_redirect_to_another_host() {
    let Some(stage) = stage_with_password() else {
        return;
    };
    let bystander = Bystander::at("127.0.0.2");
    for place in [
        ("GET", "/manifests/v1"),
        ("GET", "/referrers/"),
        ("GET", "/manifests/sha256-"),
        ("GET", "/manifests/sha256:"),
        ("GET", "/blobs/"),
        ("HEAD", "/blobs/"),
        ("POST", "/blobs/uploads/"),
        ("PUT", "/blobs/uploads/"),
        ("PUT", "/manifests/sha256:"),
        ("PUT", "/manifests/sha256-"),
    ] {
        stage.proxy.mend();
        let before = bystander.requests().len();
        let there = format!("http://mallory:word@{}/there", bystander.host());
        let matcher = Matcher::new(place.0, place.1);
        stage.proxy.fault(matcher, Fault::RedirectTo(there));
        for said in [stage.verify(&["-vv"]), stage.sign(&["-vv"])] {
            assert!(!is_indiscreet(&said.text), "{place:?}: {said}");
        }
        let seen = bystander.requests();
        assert!(seen.len() > before, "{place:?}: nobody was sent there");
        nothing_secret_in(&seen, &[PASSWORD, BASIC], &format!("{place:?}"));
    }
    assert!(stage.machines.have_kept_no_secret());
}

#[test]
fn no_credentials_go_to_another_host_that_an_upload_is_to_be_sent_to() {
    let Some(stage) = stage_with_password() else {
        return;
    };
    let bystander = Bystander::at("127.0.0.2");
    let there = format!("{}/upload?state=1", bystander.url());
    let begun = Fault::Status(202, vec![("Location", there)], String::new());
    stage
        .proxy
        .fault(Matcher::new("POST", "/blobs/uploads/"), begun);
    for format in ["bundle", "cosign"] {
        let said = stage.sign(&["--signature-format", format, "-vv"]);
        assert_eq!(said.code, Some(3), "{said}");
        assert!(!is_indiscreet(&said.text), "{said}");
    }
    let seen = bystander.requests();
    assert!(
        seen.iter().any(|request| request.method == "PUT"),
        "{seen:?}"
    );
    nothing_secret_in(&seen, &[PASSWORD, BASIC], "an upload");
}

/// The other host may itself ask who one is, and name someone who is to be told.
#[test]
fn no_credentials_go_to_whom_another_host_names() {
    let Some(stage) = stage_with_password() else {
        return;
    };
    // Another port is another host too.
    let stranger = FaultProxy::before(&stage.registry);
    let location = format!("{}/v2/", stranger.url());
    let mut wrong = Vec::new();
    for scheme in ["Basic", "Bearer"] {
        for (method, path) in [
            ("GET", "/blobs/"),
            ("GET", "/manifests/v1"),
            ("GET", "/referrers/"),
            ("PUT", "/manifests/sha256:"),
            ("POST", "/blobs/uploads/"),
        ] {
            let bystander = Bystander::at("127.0.0.2");
            let realm = format!("{}/token", bystander.url());
            let challenge = format!("{scheme} realm=\"{realm}\",service=\"registry\"");
            let asks = vec![("WWW-Authenticate", challenge)];
            stranger.mend();
            stranger.forget();
            stranger.fault(Matcher::any(), Fault::Status(401, asks, String::new()));
            stage.proxy.mend();
            let leads_there = match method {
                "POST" => Fault::Status(202, vec![("Location", location.clone())], String::new()),
                _ => Fault::RedirectTo(location.clone()),
            };
            stage.proxy.fault(Matcher::new(method, path), leads_there);
            for said in [stage.verify(&[]), stage.sign(&[])] {
                assert!(!is_indiscreet(&said.text), "{method} {path}: {said}");
            }
            assert!(!stranger.requests().is_empty(), "{method} {path}");
            let met = stranger.requests().into_iter().map(|seen| seen.headers);
            let met = met.chain(bystander.requests().into_iter().map(|seen| seen.headers));
            for headers in met {
                if headers.value("Authorization").is_some() {
                    wrong.push(format!("{scheme} at {method} {path}: {headers:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_token_follows_a_redirect_to_another_host() {
    let Some(registry) = Registry::docker_with_tokens() else {
        return;
    };
    registry.push_image("app", "v1", "app");
    let stage = Stage::before(registry);
    let bystander = Bystander::at("127.0.0.2");
    let logins = json!({ "auths": { stage.proxy.host(): {
        "username": sigtool_tests::tokens::USER, "password": sigtool_tests::tokens::PASSWORD } } });
    let run = |arguments: &[&str]| -> Said {
        let command = stage
            .machines
            .signer
            .sigtool()
            .args(arguments)
            .arg(stage.image());
        let command = command.env("DOCKER_AUTH_CONFIG", logins.to_string());
        command.output().unwrap().into()
    };
    let sign = ["sign", "--attach", "--key=a.key", "-vv"];
    run(&sign).expect_success("without a fault");
    for (method, path) in [
        ("GET", "/blobs/"),
        ("GET", "/manifests/v1"),
        ("PUT", "/manifests/sha256:"),
    ] {
        stage.proxy.mend();
        let before = bystander.requests().len();
        stage.proxy.fault(
            Matcher::new(method, path),
            Fault::RedirectTo(bystander.url()),
        );
        let said = run(&sign);
        assert!(bystander.requests().len() > before, "{path}: {said}");
        assert!(!said.text.contains("eyJhbGci"), "a token is shown: {said}");
        assert!(
            !said.text.contains(sigtool_tests::tokens::PASSWORD),
            "{said}"
        );
    }
    let secrets = ["eyJhbGci", sigtool_tests::tokens::PASSWORD];
    nothing_secret_in(&bystander.requests(), &secrets, "a token");
}

#[test]
fn a_blob_that_lies_elsewhere_is_fetched_there_without_credentials() {
    let Some(stage) = stage_with_password() else {
        return;
    };
    let app = digest(&stage.registry.get("/v2/app/manifests/v1", MANIFEST).body);
    let signature = &stage.registry.referrers("app", &app)[0]["digest"];
    let manifest = stage
        .registry
        .manifest("app", signature.as_str().unwrap())
        .unwrap();
    let blob = manifest["layers"][0]["digest"].as_str().unwrap();
    let Some(bucket) = Registry::docker() else {
        return;
    };
    bucket.push_blob("bucket", &stage.registry.blob("app", blob).unwrap());
    let before_it = FaultProxy::before(&bucket);
    let there = format!("{}/v2/bucket/blobs/{blob}", before_it.url());
    stage
        .proxy
        .fault(Matcher::new("GET", "/blobs/"), Fault::RedirectTo(there));
    stage.verify(&[]).expect_success("a bucket");
    let requests = before_it.requests();
    assert!(!requests.is_empty());
    assert!(
        requests
            .iter()
            .all(|seen| seen.headers.value("Authorization").is_none())
    );
}

//! The matrices: each trouble in each place, in both kinds of registries, and what sigtool may say then.

use super::stage::{Machines, is_told_well};
use super::trouble::{Kind, Place, Trouble};
use crate::Bystander;
use crate::proxy::FaultProxy;
use crate::registry::Registry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many cells of a matrix are tried at the same time: nearly all of their time is waiting.
const AT_ONCE: usize = 48;
/// Tries all, many at the same time, and gives what went wrong.
///
/// # Panics
///
/// Never: a try that panics is one that went wrong.
pub fn try_all<T: Sync>(
    cells: &[T],
    try_one: impl Fn(&T) -> Result<(), String> + Sync,
) -> Vec<String> {
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
/// How an image is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// With a bundle that refers to it.
    AsBundle,
    /// With cosign's own signatures.
    AsSig,
    /// In both ways.
    AsBoth,
    /// By nobody.
    Not,
}

impl Signed {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::AsBundle, Self::AsSig, Self::AsBoth, Self::Not];

    /// The repository with such an image.
    #[must_use]
    pub fn repository(self) -> &'static str {
        match self {
            Self::AsBundle => "as-bundle",
            Self::AsSig => "as-sig",
            Self::AsBoth => "as-both",
            Self::Not => "not",
        }
    }

    /// What `--signature-format` says for it.
    #[must_use]
    pub fn format(self) -> Option<&'static str> {
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
pub struct Reading {
    kind: Kind,
    signed: Signed,
    place: Place,
    trouble: Trouble,
}

impl Reading {
    /// Every cell.
    #[must_use]
    pub fn all() -> Vec<Self> {
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
            // There is a good signature elsewhere. Waiting for the one may leave no time for the other.
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

    /// Lets it happen.
    ///
    /// # Errors
    ///
    /// What is not as it should be.
    pub fn try_it(self, registries: &Registries, machines: &Machines) -> Result<(), String> {
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
/// A cell of the matrix of `sign --attach`.
#[derive(Clone, Copy, Debug)]
pub struct Writing {
    /// The registry.
    pub kind: Kind,
    /// `--signature-format`
    pub format: &'static str,
    /// Where it happens.
    pub place: Place,
    /// What happens.
    pub trouble: Trouble,
}

impl Writing {
    /// Every cell.
    #[must_use]
    pub fn all() -> Vec<Self> {
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

    /// Whether the earlier signature may be lost: a signer that is told that there is none begins a new list.
    fn is_robbed(self) -> bool {
        self.trouble.denies()
            && self.place.request().0 == "GET"
            && ![Place::Signature, Place::Blob].contains(&self.place)
    }

    /// Lets it happen.
    ///
    /// # Errors
    ///
    /// What is not as it should be.
    pub fn try_it(self, registries: &Registries, machines: &Machines) -> Result<(), String> {
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
        // With little time left it may not get that far.
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
/// Both registries, and a host that has nothing to do with them.
#[derive(Debug)]
pub struct Registries {
    docker: Registry,
    olareg: Registry,
    bystander: Bystander,
}

impl Registries {
    /// All of them, if they can be had here.
    #[must_use]
    pub fn new() -> Option<Self> {
        Some(Self {
            docker: Registry::docker()?,
            olareg: Registry::olareg(&["--api-delete"])?,
            bystander: Bystander::start(),
        })
    }

    /// The registry of this kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> &Registry {
        match kind {
            Kind::Docker => &self.docker,
            Kind::Olareg => &self.olareg,
        }
    }
}

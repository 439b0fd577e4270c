//! What can go wrong with a registry, and where: the two sides of each matrix.

use crate::images::INDEX;
use crate::proxy::{Fault, FaultProxy, Matcher, Seen};
use std::time::Duration;

/// Longer than a manifest may be.
pub const HUGE: usize = 5 << 20;
/// The kinds of registries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// docker-registry, without the referrers API.
    Docker,
    /// olareg, with it.
    Olareg,
}

/// What is asked of a registry when an image is signed and verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
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
    #[must_use]
    pub fn when_signing(kind: Kind, format: &str) -> &'static [Self] {
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
    #[must_use]
    pub fn request(self) -> (&'static str, &'static str) {
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
    #[must_use]
    pub fn has_body(self) -> bool {
        self.request().0 == "GET"
    }

    /// How often the same is asked before the request that is meant here.
    #[must_use]
    pub fn earlier(self) -> usize {
        match self {
            // When earlier signatures are looked for, and before the list is written.
            Self::FallbackTagAgain | Self::SigTagAgain => 2,
            _ => 0,
        }
    }

    /// Lets the trouble happen here and nowhere else.
    pub fn fail(self, proxy: &FaultProxy, trouble: Trouble, elsewhere: &str) {
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
    #[must_use]
    pub fn has_failed(self, requests: &[Seen]) -> bool {
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
pub enum Trouble {
    /// 401, and no word about how to log in.
    Unauthorized,
    /// 401 for every password.
    Challenged,
    /// 403.
    Forbidden,
    /// 404.
    Missing,
    /// 429 once, with `Retry-After: 1`.
    ThrottledOnce,
    /// 429 with `Retry-After: 3600`.
    ThrottledForAnHour,
    /// 500 twice.
    BrokenTwice,
    /// 500, always.
    Broken,
    /// 503.
    Unavailable,
    /// 502 with a page in HTML.
    Html502,
    /// 200 with a page in HTML, as the login page of a hotel.
    HotelPage,
    /// The answer ends in its middle, once.
    CutDownloadOnce,
    /// The answer ends in its middle.
    CutDownload,
    /// The connection is cut in the middle of the request, once.
    CutUploadOnce,
    /// The connection is cut in the middle of the request.
    CutUpload,
    /// No answer, with the `--timeout` of [`Trouble::flags`].
    Silent,
    /// One bit is another.
    WrongBytes,
    /// The digest in the header is another.
    WrongDigest,
    /// No `Location`, where there should be one.
    NoLocation,
    /// A body that never ends.
    EndlessBody,
    /// More bytes than a manifest may have.
    Bomb,
    /// JSON that is nested without end.
    DeepJson,
    /// A redirect to a host that answers 404.
    Elsewhere,
    /// A redirect to itself.
    Circle,
    /// 200 with a JSON object that says nothing.
    Nonsense,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 25] = [
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
    #[must_use]
    pub fn denies(self) -> bool {
        [Self::Missing, Self::Elsewhere].contains(&self)
    }

    /// For how many requests.
    fn times(self) -> usize {
        match self {
            Self::ThrottledOnce | Self::CutDownloadOnce | Self::CutUploadOnce => 1,
            Self::BrokenTwice => 2,
            _ => usize::MAX,
        }
    }

    /// Whether it is nothing to those who do not read the body.
    #[must_use]
    pub fn is_about_the_body(self) -> bool {
        [
            Self::Bomb,
            Self::DeepJson,
            Self::WrongBytes,
            Self::WrongDigest,
        ]
        .contains(&self)
    }

    /// Whether it is over before sigtool gives up.
    #[must_use]
    pub fn passes(self) -> bool {
        self.times() < usize::MAX
    }

    /// What the proxy does. `elsewhere` is a URL of another host.
    #[must_use]
    pub fn fault(self, elsewhere: &str) -> Fault {
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
            Self::Silent => Fault::Held,
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
    #[must_use]
    pub fn flags(self) -> &'static [&'static str] {
        match self {
            // Long enough for every request that is answered, however busy the machine: only what gets no answer takes so long.
            Self::Silent => &["--timeout=15s"],
            _ => &[],
        }
    }
}

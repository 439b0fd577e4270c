//! Redirects: how far they are followed, and what is not taken along.

use crate::failure::{Failure, FailureKind};
use crate::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName,
    LOCATION, PROXY_AUTHORIZATION, TRANSFER_ENCODING, WWW_AUTHENTICATE,
};
use crate::message::{Request, Response};
use crate::text::authority;
use crate::{Method, StatusCode, Url};

/// The most redirects that are followed for one request.
pub(crate) const MAX_REDIRECTS: usize = 5;

/// The request that this answer redirects to, without what is not for the other side's eyes. `None` if it is not a redirect.
pub(crate) fn next(request: &Request, response: &Response) -> Result<Option<Request>, Failure> {
    let Some(url) = target(response)? else {
        return Ok(None);
    };
    let mut next = request.clone();
    if becomes_get(response.status, &request.method) {
        next.method = Method::GET;
        next.body = Vec::new();
        for name in [
            CONTENT_ENCODING,
            CONTENT_LENGTH,
            CONTENT_TYPE,
            TRANSFER_ENCODING,
        ] {
            next.headers.remove(name);
        }
    }
    if url.origin() != request.url.origin() {
        forget_credentials(&mut next.headers);
    }
    next.url = url;
    Ok(Some(next))
}

/// There were too many.
pub(crate) fn too_many(url: &Url) -> Failure {
    Failure::new(
        FailureKind::Redirect,
        format!(
            "`{}` redirects once more after {MAX_REDIRECTS} redirects",
            authority(url)
        ),
    )
}

/// Where an answer sends us, made safe to follow.
fn target(response: &Response) -> Result<Option<Url>, Failure> {
    let redirects = matches!(response.status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let Some(location) = response.headers.get(LOCATION).filter(|_| redirects) else {
        return Ok(None);
    };
    let from = authority(&response.url);
    let refused =
        |what: String| Failure::new(FailureKind::Redirect, format!("`{from}` redirects {what}"));
    // Not only ASCII: servers write there what they have, and the parser encodes it.
    let url = str::from_utf8(location.as_bytes())
        .ok()
        .and_then(|location| response.url.join(location).ok());
    let Some(mut url) = url else {
        return Err(refused("to what is not an address".to_owned()));
    };
    match (response.url.scheme(), url.scheme()) {
        ("https", "http") => {
            return Err(refused(format!("from https to http://{}", authority(&url)))
                .because("what is sent and answered there could be read and changed on the way"));
        }
        (_, "http" | "https") => {}
        (_, scheme) => return Err(refused(format!("to an address of the scheme `{scheme}`"))),
    }
    // A user and a password there would be sent as our credentials; they are the other side's words. These fail for no such URL.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok(Some(url))
}

/// As browsers do it, and RFC 9110 allows: after 303 always, after 301 and 302 for POST.
fn becomes_get(status: StatusCode, method: &Method) -> bool {
    match status {
        StatusCode::SEE_OTHER => method != Method::HEAD,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => method == Method::POST,
        _ => false,
    }
}

/// Takes out what proves who we are: the headers known for it, and the values that the caller has marked as sensitive.
fn forget_credentials(headers: &mut HeaderMap) {
    let sensitive: Vec<HeaderName> = headers
        .iter()
        .filter(|(_, value)| value.is_sensitive())
        .map(|(name, _)| name.clone())
        .collect();
    let known = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, WWW_AUTHENTICATE];
    for name in known.into_iter().chain(sensitive) {
        headers.remove(name);
    }
    headers.remove("cookie2");
}

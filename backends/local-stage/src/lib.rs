//! Files as artifacts: resolves paths and folders, tells Helm charts, manifests, jar and war apart by their content, and keeps
//! signatures beside the file that they sign.
//!
//! | module | what is in it |
//! |---|---|
//! | `source` | the kind that is served, verb by verb |
//! | `file`, `hash` | opening; the one pass over the bytes; the proof that the file stayed the same meanwhile |
//! | `walk` | folders |
//! | `detect` | kind, name and version, from content that nobody vouches for |
//! | `names`, `siblings`, `signatures` | how signatures are named; finding them; reading, attaching and detaching them |
//! | `failure`, `text` | what users read |

mod backend;
mod config;
mod detect;
mod failure;
mod file;
mod hash;
mod names;
mod siblings;
mod signatures;
mod source;
#[cfg(test)]
mod testing;
mod text;
mod walk;

use backend::LocalStage;

sigtool_sdk::export_backend!(LocalStage);

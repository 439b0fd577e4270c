//! Images in OCI registries: resolves references to digests, and keeps signatures beside the images that they sign.
//!
//! | module | what is in it |
//! |---|---|
//! | `source` | the kind that is served, verb by verb |
//! | `reference` | what is taken of references and digests |
//! | `registry` | what registries are asked: manifests, blobs, referrers, deletes |
//! | `conversation` | where a request goes, with TLS or without, and with whose credentials |
//! | `auth`, `login`, `credentials` | challenges and tokens; who we are for a registry; where user names and passwords come from |
//! | `link`, `parameter` | what stands in the head of an answer: the next page; names and values |
//! | `auth_files`, `helper` | the files of Docker and Podman; the programs that they name |
//! | `manifest` | what registries keep: bounds, digests, parsing |
//! | `document` | what others wrote and we change |
//! | `found` | what is found of an image's signatures, and how much of it is looked at |
//! | `referrers` | signatures that point at an image, with the fallback index of registries that know no referrers |
//! | `sig_tag` | cosign's `.sig` tag |
//! | `id` | the names of signatures |
//! | `tagged`, `lock` | changing what a tag names so that nobody's entry is lost |
//! | `failure`, `refusal` | what users read; what a registry says |

mod auth;
mod auth_files;
mod backend;
mod config;
mod conversation;
mod credentials;
mod document;
mod failure;
mod found;
mod helper;
mod id;
mod link;
mod lock;
mod login;
mod manifest;
mod parameter;
mod reference;
mod referrers;
mod refusal;
mod registry;
mod sig_tag;
mod source;
mod tagged;
#[cfg(test)]
mod testing;

use backend::Oci;

sigtool_sdk::export_backend!(Oci);

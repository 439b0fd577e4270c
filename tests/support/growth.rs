//! Whether what is said today is an extension of what was said before, so that the older side and the newer one understand each other,
//! whichever of them speaks.

mod header;
mod schema;

pub use header::header;
pub use schema::message;

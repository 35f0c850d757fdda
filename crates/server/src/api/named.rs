//! What an address names, as handlers want it: percent-decoded and read.

use std::convert::Infallible;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use crate::pictures::address::AddressError;

/// The one part that a route leaves open, such as `{recipe}`, percent-decoded and read as a `T`; or why it is none. What decodes to no text is read as
/// it stands, so it is refused in the words of whoever reads it.
pub(crate) struct Named<T: FromStr>(pub(crate) Result<T, T::Err>);

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for Named<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let decoded = Path::<String>::from_request_parts(parts, state).await;
        let text = decoded.map_or_else(|_| parts.uri.path().to_owned(), |Path(text)| text);
        Ok(Self(text.parse()))
    }
}

/// The name of a file without its ending `.json`.
pub(crate) struct JsonFile(pub(crate) String);

impl FromStr for JsonFile {
    type Err = AddressError;

    fn from_str(file: &str) -> Result<Self, AddressError> {
        let ending = || file.rsplit_once('.').map_or("", |(_, ending)| ending).chars().take(20).collect();
        let name = file.strip_suffix(".json").ok_or_else(|| AddressError::Format(ending()))?;
        Ok(Self(name.to_owned()))
    }
}

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
        let name = file.strip_suffix(".json").ok_or_else(|| AddressError::Json(ending()))?;
        Ok(Self(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_data_ends_in_json_and_others_are_told_so() {
        assert_eq!("42~7~50.json".parse::<JsonFile>().map(|file| file.0), Ok("42~7~50".to_owned()));
        for file in ["42.png", "42", "42.JSON", ""] {
            let error = file.parse::<JsonFile>().map(|file| file.0).unwrap_err();
            assert!(matches!(error, AddressError::Json(_)), "{file}");
            assert!(error.to_string().contains("ends in .json, as in /api/v1/children/42.json"), "{error}");
        }
    }
}

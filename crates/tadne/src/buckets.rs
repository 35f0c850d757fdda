//! Buckets, which a build knows by its features.

use anyhow::ensure;

/// Refuses the address of a bucket of a kind that this program was built without.
///
/// # Errors
/// It is one; the text names the feature.
pub(crate) fn check(option: &str, place: &str) -> anyhow::Result<()> {
    let scheme = place.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let (feature, built) = match scheme.as_deref() {
        Some("s3" | "s3a") => ("s3", cfg!(feature = "s3")),
        Some("gs") => ("gs", cfg!(feature = "gs")),
        Some("az" | "adl" | "azure" | "abfs" | "abfss") => ("az", cfg!(feature = "az")),
        _ => return Ok(()),
    };
    ensure!(
        built,
        "{option} {place}: this program was built without such buckets; build it with `cargo build --release --features {feature}`, or name a folder"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_that_was_not_built_for_names_its_feature() {
        for (place, feature, built) in [
            ("s3://bucket/folder", "--features s3", cfg!(feature = "s3")),
            ("GS://bucket", "--features gs", cfg!(feature = "gs")),
            ("abfss://container@account.dfs.core.windows.net/x", "--features az", cfg!(feature = "az")),
        ] {
            let said = check("--archive", place).err().map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(said.is_empty(), built, "{said}");
            assert!(built || said.contains(feature) && said.starts_with("--archive "), "{said}");
        }
        for other in ["", "pictures", "file:///pictures", "ftp://host/x"] {
            assert!(check("--archive", other).is_ok(), "{other}");
        }
    }
}

//! Pictures made ahead: served from the archive, and drawn where it has none, or none that is whole.

mod common;

use std::fs;
use std::path::Path;

use common::{TINY, config, generator, get};
use server::record::{Header, Record, Row};
use server::{ArchiveKind, FileMaker, Format, PictureAddress};

/// An archive of a few pictures, which say where they are from: each is the one of the next seed.
fn archive(root: &Path, size: Option<u16>) {
    let generator = generator(TINY, 1);
    let mut maker = FileMaker::new(&generator);
    for seed in 0..4 {
        for format in Format::ALL {
            let address = |seed| -> PictureAddress {
                format!("psi-1.1/seed{seed}.{}", format.extension()).parse().expect("an address")
            };
            let path = root.join(format!("results/{}", address(seed)));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, maker.make(address(seed + 1), size).unwrap()).unwrap();
        }
    }
    fs::write(root.join(ArchiveKind::FILE), ArchiveKind::new(generator.fingerprint(), size).to_text()).unwrap();
}

fn router(place: &str, seed: u64) -> Result<axum::Router, server::Error> {
    let config = server::Config { archive: Some(place.to_owned()), ..config() };
    server::router(&config, generator(TINY, seed))
}

#[tokio::test]
async fn what_is_there_is_served_and_the_rest_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    archive(folder.path(), None);
    let plain = server::router(&config(), generator(TINY, 1)).unwrap();
    let url = format!("file://{}", folder.path().display());
    for place in [folder.path().to_str().unwrap(), &url] {
        let router = router(place, 1).unwrap();
        for ending in ["png", "webp", "jpg"] {
            let there = get(&router, &format!("/results/psi-1.1/seed00002.{ending}")).await;
            assert_eq!(there.body, get(&plain, &format!("/api/v1/pictures/3.{ending}?psi=1.1")).await.body);
            assert_eq!(there.body, get(&router, &format!("/api/v1/pictures/2.{ending}?psi=1.1")).await.body);
        }
        assert_eq!(get(&router, "/healthz").await.json()["drawn"], 0);
        let missing = [
            "/results/psi-1.1/seed00004.png",
            "/results/psi-1.0/seed00001.png",
            "/api/v1/pictures/1.png?psi=1.15",
            "/api/v1/pictures/1.png?psi=1.1&size=48",
            "/api/v1/pictures/1-3.png?psi=1.1",
            "/api/v1/pictures/1~2~50.png?psi=1.1",
        ];
        for uri in missing {
            assert_eq!(get(&router, uri).await.body, get(&plain, uri).await.body, "{uri}");
        }
        let figures = get(&router, "/metrics").await;
        let figures = figures.text();
        assert!(figures.contains(r#"tadne_archive_total{kind="hit"} 3"#), "{figures}");
        assert!(figures.contains(r#"tadne_archive_total{kind="miss"} 2"#), "{figures}");
    }
    let tag = async |router| get(router, "/results/psi-1.1/seed00002.png").await.header("etag").to_owned();
    assert_ne!(tag(&router(&url, 1).unwrap()).await, tag(&plain).await, "other bytes under one tag");
}

#[tokio::test]
async fn a_picture_that_is_cut_off_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    archive(folder.path(), None);
    let plain = server::router(&config(), generator(TINY, 1)).unwrap();
    for ending in ["png", "webp", "jpg"] {
        let path = folder.path().join(format!("results/psi-1.1/seed00000.{ending}"));
        let whole = fs::read(&path).unwrap();
        for length in [0, 1, 8, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            // Another router, since memory would answer.
            let router = router(folder.path().to_str().unwrap(), 1).unwrap();
            let uri = format!("/results/psi-1.1/seed00000.{ending}");
            assert_eq!(get(&router, &uri).await.body, get(&plain, &uri).await.body, "{length} bytes of {ending}");
        }
    }
}

/// The records of an archive, one for each kind of file, as `tadne archive` writes them.
fn record(root: &Path) {
    fs::create_dir_all(root.join("records")).unwrap();
    for format in Format::ALL {
        let ending = format.extension();
        let mut header = Header {
            shard: String::new(),
            layout: 1,
            encoders: FileMaker::REVISION,
            model: generator(TINY, 1).fingerprint(),
            first: 0,
            last: 3,
            levels: vec!["1.0".into(), "1.1".into()],
            format: ending.to_owned(),
            size: None,
            tar: false,
        };
        header.shard = header.name();
        let row = |seed| {
            let path = format!("results/psi-1.1/seed{seed:05}.{ending}");
            let file = fs::read(root.join(&path)).unwrap();
            Row::of(path, &file)
        };
        let rows = (0..4).map(row).collect();
        fs::write(root.join(format!("records/{ending}.jsonl")), Record { header, rows }.to_text()).unwrap();
    }
}

#[tokio::test]
async fn a_changed_byte_is_noticed_by_the_record_and_the_picture_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    archive(folder.path(), None);
    record(folder.path());
    let place = folder.path().to_str().unwrap();
    let plain = server::router(&config(), generator(TINY, 1)).unwrap();
    for ending in ["png", "webp", "jpg"] {
        let uri = format!("/results/psi-1.1/seed00000.{ending}");
        let path = folder.path().join(&uri[1..]);
        let whole = fs::read(&path).unwrap();
        let router = || router(place, 1).unwrap();
        assert_eq!(get(&router(), &uri).await.body, whole, "{ending}: what was recorded is served");
        let mut changed = whole.clone();
        changed[whole.len() / 2] ^= 1;
        fs::write(&path, changed).unwrap();
        let noticing = router();
        assert_eq!(get(&noticing, &uri).await.body, get(&plain, &uri).await.body, "{ending}");
        let figures = get(&noticing, "/metrics").await;
        for line in [r#"tadne_archive_total{kind="damaged"} 1"#, r#"tadne_archive_total{kind="hit"} 0"#] {
            assert!(figures.text().contains(line), "{ending}: {}", figures.text());
        }
        // Without its record nobody could know.
        fs::remove_file(folder.path().join(format!("records/{ending}.jsonl"))).unwrap();
        assert_ne!(get(&router(), &uri).await.body, get(&plain, &uri).await.body, "{ending}");
    }
}

#[tokio::test]
async fn an_archive_of_larger_pictures_answers_for_that_size() {
    let folder = tempfile::tempdir().unwrap();
    archive(folder.path(), Some(48));
    let router = router(folder.path().to_str().unwrap(), 1).unwrap();
    let plain = server::router(&config(), generator(TINY, 1)).unwrap();
    let (there, next) = ("/api/v1/pictures/1.png?psi=1.1&size=48", "/api/v1/pictures/2.png?psi=1.1&size=48");
    assert_eq!(get(&router, there).await.body, get(&plain, next).await.body);
    let own = "/results/psi-1.1/seed00001.png";
    assert_eq!(get(&router, own).await.body, get(&plain, own).await.body);
}

#[tokio::test]
async fn what_is_no_archive_of_this_model_ends_the_start_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let says = |place: &str, seed| router(place, seed).map(drop).unwrap_err().to_string();
    assert!(says(place, 1).contains("it has no archive.json"));
    assert!(says(&format!("{place}/nowhere"), 1).contains("cannot be served as an archive"));
    assert!(says("ftp://host/x", 1).contains("cannot be served as an archive"));
    fs::write(folder.path().join(ArchiveKind::FILE), "{}").unwrap();
    assert!(says(place, 1).contains("cannot be read"));
    let kind = ArchiveKind::new(generator(TINY, 1).fingerprint(), None);
    fs::write(folder.path().join(ArchiveKind::FILE), kind.to_text()).unwrap();
    assert!(says(place, 1).contains("tars must be unpacked"));
    archive(folder.path(), None);
    assert!(says(place, 2).contains("of the model"));
    let old = ArchiveKind { encoders: kind.encoders + 1, ..kind };
    fs::write(folder.path().join(ArchiveKind::FILE), old.to_text()).unwrap();
    assert!(says(place, 1).contains("revision"));
}

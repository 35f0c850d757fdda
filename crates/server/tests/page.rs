//! The page and everything beside the pictures.

mod common;

use axum::http::StatusCode;
use common::{TINY, ask, config, generator, get, tiny};

#[tokio::test]
async fn the_page_allows_nothing_from_elsewhere_and_nothing_inline() {
    let router = tiny();
    let pages = ["/", "/p/42-3b7?psi=1.1", "/walk/42", "/collection", "/slider.html?seed=00077"];
    for uri in pages.into_iter().chain(["/js/main.js", "/css/base.css", "/icon.svg"]) {
        let answer = get(&router, uri).await;
        assert_eq!(answer.status, StatusCode::OK, "{uri}");
        let policy = answer.header("content-security-policy");
        // The module that draws in the page is compiled, not evaluated; nothing else is allowed to be.
        let policy = policy.replace(" 'wasm-unsafe-eval'; worker-src 'self'", "");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{uri}: {policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{uri}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{uri}");
    }
}

#[tokio::test]
async fn every_file_the_page_names_is_there_with_its_type() {
    let router = tiny();
    for page in ["/", "/p/42~7~50?psi=0.5&lang=it", "/walk/42", "/collection", "/slider.html?seed=1"] {
        let html = get(&router, page).await;
        assert_eq!(html.header("content-type"), "text/html; charset=utf-8");
        let mut files = 0;
        for attribute in ["href=\"/", "src=\"/"] {
            for (at, _) in html.text().match_indices(attribute) {
                let rest = &html.text()[at + attribute.len() - 1..];
                let path = &rest[..rest.find('"').unwrap()].replace("&amp;", "&");
                let answer = get(&router, path).await;
                assert_eq!(answer.status, StatusCode::OK, "{path}");
                let media_type = answer.header("content-type");
                let wanted = [
                    (".css", "text/css"),
                    (".js", "text/javascript"),
                    (".json", "application/json"),
                    (".svg", "image/svg+xml"),
                    (".png", "image/png"),
                ];
                if let Some((_, wanted)) =
                    wanted.iter().find(|(ending, _)| path.ends_with(ending) && !path.contains("/sweeps/"))
                {
                    assert!(media_type.starts_with(wanted), "{path} is {media_type}");
                }
                files += 1;
            }
        }
        assert!(files > 20, "{page} names only {files} files");
    }
}

#[tokio::test]
async fn files_are_asked_for_again_but_sent_only_when_changed() {
    let router = tiny();
    for uri in ["/", "/p/42", "/js/main.js"] {
        let first = get(&router, uri).await;
        assert_eq!(first.header("cache-control"), "no-cache");
        let again = ask(&router, "GET", uri, &[("if-none-match", first.header("etag"))]).await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0), "{uri}");
    }
}

#[tokio::test]
async fn the_montage_shows_the_eighteen_levels() {
    let answer = get(&tiny(), "/slider.html?seed=00077").await;
    assert_eq!(answer.text().matches("class=\"psi-value\"").count(), 18);
    assert!(answer.text().contains("/p/77?psi=2.0"));
}

#[tokio::test]
async fn the_model_describes_itself() {
    let answer = get(&tiny(), "/api/model").await;
    let model = answer.json();
    assert_eq!((&model["width"], &model["height"]), (&16.into(), &16.into()));
    assert_eq!(model["formats"], serde_json::json!(["png", "webp", "jpg"]));
    assert_eq!(model["seed"]["max"], "18446744073709551615");
    assert!(model["fingerprint"].as_str().unwrap().len() >= 16);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
}

#[tokio::test]
async fn what_is_not_there_is_a_page_for_people_and_a_sentence_for_tools() {
    let router = tiny();
    for uri in [
        "/p/abc",
        "/p/1_2_99",
        "/walk/1~2~3",
        "/walk/x",
        "/nowhere",
        "/index.html",
        "/../Cargo.toml",
        "/js/",
        "/js",
        "/%2e%2e/Cargo.toml",
        "/results/",
    ] {
        let tool = get(&router, uri).await;
        assert_eq!(tool.status, StatusCode::NOT_FOUND, "{uri}");
        assert!(tool.text().contains("/results/psi-1.0/seed00042.png"), "{uri}");
        let person = ask(&router, "GET", uri, &[("accept", "text/html,*/*")]).await;
        assert_eq!(person.status, StatusCode::NOT_FOUND, "{uri}");
        assert!(person.text().starts_with("<!doctype html>"), "{uri}");
    }
    // Tools are told how far a name may go.
    for (uri, limit) in [
        ("/p/42~77~101", "0 to 100 hundredths"),
        ("/p/42@0p41", "1 to 40 tenths"),
        ("/p/1_2_99", "layers"),
        ("/walk/42@0p1", "tadne directions"),
    ] {
        let tool = get(&router, uri).await;
        assert!(tool.status == StatusCode::NOT_FOUND && tool.text().contains(limit), "{uri}: {}", tool.text());
    }
}

#[tokio::test]
async fn only_reading_is_allowed() {
    let router = tiny();
    for uri in ["/", "/results/psi-1.0/seed00042.png", "/js/main.js", "/api/model"] {
        assert_eq!(ask(&router, "POST", uri, &[]).await.status, StatusCode::METHOD_NOT_ALLOWED, "{uri}");
    }
}

#[tokio::test]
async fn the_page_speaks_the_visitors_language() {
    let router = tiny();
    for (uri, accept, language, words) in [
        ("/", "", "en", "Creativity"),
        ("/", "it-CH,it;q=0.9,en;q=0.5", "it", "Creatività"),
        ("/", "de,ja;q=0.8", "ja", "創造性"),
        ("/?lang=it", "ja", "it", "Creatività"),
        ("/?lang=xx", "ja", "ja", "創造性"),
        ("/p/42~7~50?lang=ja", "it", "ja", "00042 と 00007 のあいだ"),
        ("/slider.html?seed=7", "it", "it", "<span class=\"psi-value\" data-psi=\"0.3\">0,3</span>"),
        ("/collection", "it", "it", "La tua raccolta"),
    ] {
        let answer = ask(&router, "GET", uri, &[("accept-language", accept)]).await;
        assert_eq!(answer.header("content-language"), language, "{uri} {accept}");
        assert_eq!(answer.header("vary"), "accept-language");
        assert!(answer.text().contains(&format!("<html lang=\"{language}\"")), "{uri}");
        assert!(answer.text().contains(words), "{uri} lacks {words}");
    }
    let missing = ask(&router, "GET", "/nowhere", &[("accept", "text/html"), ("accept-language", "it")]).await;
    assert!(missing.text().contains("Qui non c’è appeso niente"));
}

#[tokio::test]
async fn a_host_that_is_no_host_does_not_reach_the_page() {
    let router = tiny();
    let page = ask(&router, "GET", "/p/42", &[("host", "wall.example:8080")]).await;
    assert!(page.text().contains("content=\"http://wall.example:8080/api/v1/cards/42.jpg"));
    let page = ask(&router, "GET", "/p/42", &[("host", "\"><script>")]).await;
    assert!(page.text().contains("content=\"/api/v1/cards/42.jpg") && !page.text().contains("\"><script>"));
}

#[tokio::test]
async fn addresses_that_are_nearly_right_lead_on() {
    let router = tiny();
    for (uri, to) in [
        ("/p/42/", "/p/42"),
        ("/p/42/?psi=1.1", "/p/42?psi=1.1"),
        ("/walk/42/", "/walk/42"),
        ("/collection/?lang=it", "/collection?lang=it"),
        ("/slider.html/?seed=1", "/slider.html?seed=1"),
        ("/walk", "/walk/"),
        ("/walk/", "/walk/"),
        ("/p", "/p/"),
        ("/p/", "/p/"),
    ] {
        let answer = get(&router, uri).await;
        assert_eq!(answer.status, StatusCode::FOUND, "{uri}");
        let location = answer.header("location");
        assert!(if to.ends_with('/') { location.starts_with(to) } else { location == to }, "{uri} leads to {location}");
        assert!(!location.starts_with("//"), "{uri} leads to another host");
        assert_eq!(get(&router, location).await.status, StatusCode::OK, "{location}");
    }
    // Creativity beyond its bounds is bounded, as the wall does it; what is none is the usual one.
    for (asked, drawn) in [("5", "2.0"), ("-1", "0.0"), ("x", "1.0"), ("NaN", "1.0"), ("1.25", "1.25")] {
        let page = get(&router, &format!("/p/42?psi={asked}")).await;
        assert_eq!(page.status, StatusCode::OK, "{asked}");
        assert!(page.text().contains(&format!("/cards/42.jpg?psi={drawn}&amp;")), "{asked}");
    }
    // Without a seed the montage is a page with ways on for people, and a sentence for tools.
    let person = ask(&router, "GET", "/slider.html", &[("accept", "text/html")]).await;
    assert_eq!(person.status, StatusCode::NOT_FOUND);
    assert!(person.text().contains("<a href=\"/\">"));
    assert_eq!(get(&router, "/slider.html").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn escapes_that_nobody_needs_are_read_everywhere() {
    let router = tiny();
    for uri in ["/p/42%7E7%7E50", "/p/42%7e7%7e50?psi=1%2E1", "/walk/4%32", "/api/v1/pictures/42%7E7%7E50%2Epng"] {
        assert_eq!(get(&router, uri).await.status, StatusCode::OK, "{uri}");
    }
    for uri in ["/p/42%7", "/p/42%", "/p/42%2F7", "/p/%E0%A4%A", "/p/42%+7"] {
        assert_eq!(get(&router, uri).await.status, StatusCode::NOT_FOUND, "{uri}");
    }
}

#[tokio::test]
async fn a_shared_wall_introduces_itself_with_its_own_pictures() {
    let router = tiny();
    let page = get(&router, "/?wall=1f9c03aa&at=12.5,-3.25&psi=1.4&surprise=1&lang=it").await;
    for line in [
        "<meta property=\"og:url\" content=\"/?wall=1f9c03aa&amp;at=12.5,-3.25&amp;psi=1.4&amp;surprise=1\">",
        "hreflang=\"ja\" href=\"/?wall=1f9c03aa&amp;at=12.5,-3.25&amp;psi=1.4&amp;surprise=1&amp;lang=ja\">",
        "cards/wall.jpg?psi=1.4&amp;wall=1f9c03aa&amp;at=12,-4&amp;m=",
    ] {
        assert!(page.text().contains(line), "{line}");
    }
    let plain = get(&router, "/").await;
    assert!(plain.text().contains("<meta property=\"og:url\" content=\"/\">"));
    let card = |query: &'static str| {
        let router = router.clone();
        async move { get(&router, &format!("/api/v1/cards/wall.jpg?{query}")).await.body }
    };
    let here = card("psi=1.4&wall=1f9c03aa&at=12,-4").await;
    assert!(here.starts_with(b"\xff\xd8\xff"));
    assert_ne!(here, card("psi=1.4&wall=1f9c03aa&at=40,9").await);
    assert_ne!(here, card("psi=1.4&wall=1f9c03ab&at=12,-4").await);
}

#[tokio::test]
async fn the_page_can_be_installed_in_every_language() {
    let router = tiny();
    // A language is a file of strings, whose name is its tag.
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/strings")).unwrap() {
        let file = file.unwrap().path();
        let language = file.file_stem().unwrap().to_str().unwrap();
        let words: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let page = get(&router, &format!("/?lang={language}")).await;
        let address = format!("/manifest.webmanifest?lang={language}");
        assert!(page.text().contains(&format!("<link rel=\"manifest\" href=\"{address}\">")), "{language}");
        assert!(page.text().contains("<link rel=\"apple-touch-icon\" href=\"/icons/touch-180.png\">"));
        let answer = get(&router, &address).await;
        assert_eq!(answer.header("content-type"), "application/manifest+json");
        let manifest = answer.json();
        assert_eq!(manifest["lang"], language);
        assert_eq!(manifest["description"], words["site.description"], "{language}");
        for icon in manifest["icons"].as_array().unwrap() {
            let file = get(&router, icon["src"].as_str().unwrap()).await;
            assert_eq!(file.header("content-type"), icon["type"].as_str().unwrap(), "{icon}");
            if let Some((width, _)) = icon["sizes"].as_str().unwrap().split_once('x') {
                let told = u32::from_be_bytes(file.body[16..20].try_into().unwrap());
                assert_eq!(told.to_string(), width, "{icon}");
            }
        }
        assert_eq!(get(&router, manifest["start_url"].as_str().unwrap()).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn texts_are_compressed_for_those_who_read_that() {
    use std::io::Read;
    let router = tiny();
    let gzip = [("accept-encoding", "br, gzip")];
    for uri in ["/", "/p/42", "/js/wall.js", "/css/wall.css", "/api/v1/openapi.json", "/icon.svg"] {
        let plain = get(&router, uri).await;
        assert_eq!(plain.header("content-encoding"), "", "{uri}");
        assert!(plain.headers.get_all("vary").iter().any(|value| value == "accept-encoding"), "{uri}");
        // Twice: the second one is kept.
        for _ in 0..2 {
            let small = ask(&router, "GET", uri, &gzip).await;
            if plain.body.len() < 1000 {
                assert_eq!(small.header("content-encoding"), "", "{uri}: not worth it");
                continue;
            }
            assert_eq!(small.header("content-encoding"), "gzip", "{uri}");
            assert!(
                small.body.len() * 10 < plain.body.len() * 6,
                "{uri}: {} of {}",
                small.body.len(),
                plain.body.len()
            );
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(&*small.body).read_to_end(&mut unpacked).unwrap();
            assert_eq!(unpacked, plain.body, "{uri}");
            if !plain.header("etag").is_empty() {
                assert_eq!(small.header("etag"), format!("W/{}", plain.header("etag")));
                let again = ask(&router, "GET", uri, &[gzip[0], ("if-none-match", small.header("etag"))]).await;
                assert_eq!(again.status, 304, "{uri}");
            }
        }
    }
    for uri in ["/api/v1/pictures/42.png", "/icons/icon-192.png"] {
        let picture = ask(&router, "GET", uri, &gzip).await;
        assert_eq!(picture.header("content-encoding"), "", "{uri}");
    }
    let missing = ask(&router, "GET", "/nowhere", &[("accept", "text/html"), gzip[0]]).await;
    assert_eq!((missing.status.as_u16(), missing.header("cache-control")), (404, "no-store"));
}

#[tokio::test]
async fn what_browsers_and_telephones_ask_for_by_themselves_is_there() {
    let router = tiny();
    for (uri, place) in [("/favicon.ico", "/icons/icon-192.png"), ("/apple-touch-icon.png", "/icons/touch-180.png")] {
        let answer = get(&router, uri).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (302, place), "{uri}");
        assert_eq!(get(&router, place).await.status, 200);
    }
    for file in ["/icon.svg", "/fonts/zen-old-mincho-latin-500.woff2"] {
        assert_eq!(get(&router, file).await.header("cache-control"), "public, max-age=86400", "{file}");
    }
    for (uri, place) in
        [("//", "/"), ("/p//42?psi=1.1", "/p/42?psi=1.1"), ("//evil.example/p/42", "/evil.example/p/42")]
    {
        let answer = get(&router, uri).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (302, place), "{uri}");
    }
}

#[tokio::test]
async fn a_trusted_proxy_says_by_which_address_it_was_asked() {
    let said = [("host", "inner:8080"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "wall.example")];
    let card = |page: &str| {
        page.split("property=\"og:url\" content=\"").nth(1).unwrap().split('/').take(3).collect::<Vec<_>>().join("/")
    };
    let trusting = server::Config { proxies: vec!["127.0.0.0/8".parse().unwrap()], ..config() };
    let router = server::router(&trusting, generator(TINY, 1)).unwrap();
    assert_eq!(card(ask(&router, "GET", "/p/42", &said).await.text()), "https://wall.example");
    assert_eq!(card(ask(&tiny(), "GET", "/p/42", &said).await.text()), "http://inner:8080");
}

//! The description of the interface for programs: `OpenAPI` 3.1, with the bounds that the code itself uses.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use synth::{FARTHEST_EDIT, LARGEST_FOUND, LONGEST_PATH};

use crate::api::batch::MOST;
use crate::app::App;
use crate::error::{PROBLEM_JSON, PROBLEMS};
use crate::pictures::encode::Format;
use crate::pictures::kind::{Endings, KINDS, PICTURE, Subject};
use crate::pictures::order::{AnimationFormat, Bounds};
use crate::pictures::query::{COLUMNS, COUNTS, FRAMES, LARGEST_TILE, Query, SIZES};

impl Query {
    fn parameter(self, app: &App) -> Value {
        let number = |least: u16, most: u16| json!({ "type": "integer", "minimum": least, "maximum": most });
        let (text, schema, example) = match self {
            Query::Creativity => (
                "Creativity: truncation psi, in plain decimals",
                json!({ "type": "number", "minimum": 0, "maximum": 2, "default": 1 }),
                json!(1.1),
            ),
            Query::Size => (
                "The longer side in pixels; the model's own if left out",
                number(*SIZES.start(), *SIZES.end()),
                json!(256),
            ),
            Query::Tile => ("The longer side of a tile in pixels", number(*SIZES.start(), LARGEST_TILE), json!(128)),
            Query::Noise => (
                "Whether the model adds its noise, if it has any",
                json!({ "type": "string", "enum": ["on", "off"], "default": "on" }),
                json!("on"),
            ),
            Query::Columns => ("Tiles in a row", number((*COLUMNS.start()).into(), (*COLUMNS.end()).into()), json!(6)),
            Query::Frames => (
                "Pictures on the way, both ends included",
                number((*FRAMES.start()).into(), (*FRAMES.end()).into()),
                json!(24),
            ),
            Query::Count => (
                "Pictures to name, at most",
                json!({ "type": "integer", "minimum": COUNTS.start(), "maximum": COUNTS.end(), "default": 12 }),
                json!(12),
            ),
            Query::Format => (
                "The kind of pictures",
                json!({ "type": "string", "enum": Format::ALL.map(Format::extension), "default": "png" }),
                json!("png"),
            ),
            Query::Wall => (
                "The name of a wall; for wall.jpg only.",
                json!({ "type": "string", "pattern": "^[0-9a-fA-F]{1,8}$" }),
                json!("1f9c03aa"),
            ),
            Query::At => (
                "A place on the wall, in pictures across and down; for wall.jpg only.",
                json!({ "type": "string", "pattern": place(), "default": "0,0" }),
                json!("12,-3"),
            ),
            Query::Model => (
                "The model's short name (`m` of /api/v1/model). With it the answer may be kept for ever, and is never that of \
                 another model; without it for an hour.",
                json!({ "type": "string", "pattern": "^[0-9a-f]{8,64}$" }),
                json!(app.model()),
            ),
        };
        json!({ "name": self.name(), "in": "query", "description": text, "schema": schema, "example": example })
    }
}

/// Whole numbers from 1 to `most` without leading zeros, as patterns, each with the number of its digits.
fn numbers(most: u64) -> Vec<(usize, String)> {
    let digits = most.to_string();
    let any = |count: usize| match count {
        0 => String::new(),
        1 => "[0-9]".to_owned(),
        _ => format!("[0-9]{{{count}}}"),
    };
    let mut ways: Vec<_> = (1..digits.len()).map(|count| (count, format!("[1-9]{}", any(count - 1)))).collect();
    // As long as `most`: the same up to some place, smaller there, and then anything.
    for (place, digit) in digits.bytes().enumerate() {
        let least = if place == 0 { b'1' } else { b'0' };
        if digit > least {
            let (least, largest) = (char::from(least), char::from(digit - 1));
            let rest = any(digits.len() - place - 1);
            ways.push((digits.len(), format!("{}[{least}-{largest}]{rest}", &digits[..place])));
        }
    }
    ways.push((digits.len(), digits));
    ways
}

/// Whole numbers from 1 to `most`, with leading zeros in up to three digits, as recipes are read.
fn from_one(most: u64) -> String {
    let padded = |(count, way): (usize, String)| match 3 - count.min(3) {
        0 => way,
        zeros => format!("0{{0,{zeros}}}{way}"),
    };
    format!("({})", numbers(most).into_iter().map(padded).collect::<Vec<_>>().join("|"))
}

/// The same from 0.
fn from_zero(most: u64) -> String {
    format!("(0{{1,3}}|{})", from_one(most))
}

/// A seed, with any number of leading zeros.
fn seed() -> String {
    let digits = u64::MAX.to_string().len();
    let longest = numbers(u64::MAX).into_iter().filter(|(count, _)| *count == digits).map(|(_, way)| way);
    // All shorter ones in one piece.
    let ways: Vec<_> = longest.chain([format!("[0-9]{{1,{}}}", digits - 1)]).collect();
    format!("0*({})", ways.join("|"))
}

/// A creature: what the reading of addresses takes for one of a model that has so much, and nothing else.
fn creature(bounds: Bounds) -> String {
    let tenths = from_one(FARTHEST_EDIT.unsigned_abs().into());
    let edit = |direction: usize| {
        let zeros = 3 - direction.to_string().len();
        format!("(@0{{0,{zeros}}}{direction}[pm]{tenths})?")
    };
    // Each direction once, in rising order.
    let edits: String = (0..bounds.directions.min(256)).map(edit).collect();
    format!("{}{}(-[0-9a-f]{{1,{LONGEST_PATH}}})?{edits}", seed(), found(bounds))
}

/// A `w` that was found: an f16 that is finite and above zero, and the model's count of bytes; nothing where that is more than an address holds.
fn found(bounds: Bounds) -> String {
    const STEP: &str = "0{3}[1-9a-f]|00[1-9a-f][0-9a-f]|0[1-9a-f][0-9a-f]{2}|[1-6][0-9a-f]{3}|7[0-9ab][0-9a-f]{2}";
    if !(1..=LARGEST_FOUND).contains(&bounds.dimensions) {
        return String::new();
    }
    format!("(w({STEP})[0-9a-f]{{{}}})?", 2 * bounds.dimensions)
}

/// A place on a wall.
fn place() -> String {
    let ways: Vec<_> = numbers(i32::MAX.unsigned_abs().into()).into_iter().map(|(_, way)| way).collect();
    let number = format!("-?(0|{})(\\.[0-9]{{1,6}})?", ways.join("|"));
    format!("^{number},{number}$")
}

/// One address that is asked with GET.
struct Get {
    path: Cow<'static, str>,
    name: &'static str,
    text: &'static str,
    /// What `{file}` may be, as a pattern, and one that is.
    file: Option<(String, &'static str)>,
    query: &'static [Query],
    /// Media types of the answer.
    gives: Vec<&'static str>,
    /// 302 for redirects.
    status: &'static str,
}

const JSON: &str = "application/json";

/// What `{file}` may be, and one that is.
fn file(pattern: impl AsRef<str>, example: &'static str) -> (String, &'static str) {
    (format!("^{}$", pattern.as_ref()), example)
}

/// A recipe of any kind, as a pattern.
fn any(bounds: Bounds) -> String {
    let (one, percent, layer) = (creature(bounds), from_zero(100), from_zero(bounds.layers.min(255) as u64));
    format!("{one}(~{one}~{percent}|_{one}_{layer})?")
}

/// The endings of pictures, as a pattern. `.jpeg` is read as well.
fn still() -> String {
    format!("({})", Format::ALL.map(Format::extension).join("|"))
}

/// Media types of pictures.
fn images() -> Vec<&'static str> {
    Format::ALL.map(Format::media_type).into()
}

/// Those that give what can be ordered.
fn orders(bounds: Bounds) -> impl Iterator<Item = Get> {
    let (any, one) = (any(bounds), creature(bounds));
    KINDS.iter().map(move |kind| {
        let name = match kind.subject {
            Subject::Recipe => any.clone(),
            Subject::Pair => format!("{one}~{one}"),
            Subject::RecipeOrWall => format!("({any}|wall)"),
        };
        let (ending, gives) = match kind.endings {
            Endings::Still => (still(), images()),
            Endings::Moving => (
                format!("({})", AnimationFormat::ALL.map(AnimationFormat::extension).join("|")),
                AnimationFormat::ALL.map(AnimationFormat::media_type).into(),
            ),
            Endings::Only(ending, media_type) => (ending.to_owned(), vec![media_type]),
        };
        Get {
            path: kind.route().into(),
            name: kind.id,
            text: kind.text,
            file: Some(file(format!("{name}\\.{ending}"), kind.example)),
            query: kind.query,
            gives,
            status: "200",
        }
    })
}

/// Those that lead to pictures or tell about some.
fn files(bounds: Bounds) -> Vec<Get> {
    let (any, one, seed, still) = (any(bounds), creature(bounds), seed(), still());
    vec![
        Get {
            path: "/api/v1/random/{file}".into(),
            name: "random",
            text: "Leads to another picture every time. /random.png, /random.webp and /random.jpg are the same for short.",
            file: Some(file(format!("picture\\.{still}"), "picture.png")),
            query: &[Query::Creativity, Query::Size, Query::Noise],
            gives: Vec::new(),
            status: "302",
        },
        Get {
            path: "/api/v1/children/{file}".into(),
            name: "children",
            text: "The sixteen children of a creature, and the addresses of their pictures.",
            file: Some(file(format!("{one}\\.json"), "42.json")),
            query: PICTURE,
            gives: vec![JSON],
            status: "200",
        },
        Get {
            path: "/api/v1/latents/{file}".into(),
            name: "latents",
            text: "The vectors behind a picture as base64 of little-endian 32-bit floats: w before truncation, and z of plain seeds.",
            file: Some(file(format!("{any}\\.json"), "42.json")),
            query: &[Query::Model],
            gives: vec![JSON],
            status: "200",
        },
        Get {
            path: "/api/v1/batches/{file}".into(),
            name: "batch",
            text: "The pictures of up to 256 seeds and ranges of seeds, each from the smaller to the larger, in a ZIP archive, sent while they are drawn.",
            file: Some(file(format!("{seed}(-{seed})?(,{seed}(-{seed})?)*\\.zip"), "0-7,42.zip")),
            query: &[Query::Creativity, Query::Size, Query::Noise, Query::Format, Query::Model],
            gives: vec!["application/zip"],
            status: "200",
        },
    ]
}

/// Those that find pictures.
fn searches(bounds: Bounds) -> [Get; 2] {
    const SEARCH: &[Query] = &[Query::Count, Query::Creativity, Query::Size, Query::Noise, Query::Model];
    [
        Get {
            path: "/api/v1/like/{file}".into(),
            name: "like",
            text: "The seeds whose pictures are most like a creature's, and the addresses of their pictures.",
            file: Some(file(format!("{}\\.json", creature(bounds)), "42.json")),
            query: SEARCH,
            gives: vec![JSON],
            status: "200",
        },
        Get {
            path: "/api/v1/kinds".into(),
            name: "kinds",
            text: "An example of each kind of face that the model draws, those that differ most first.",
            file: None,
            query: SEARCH,
            gives: vec![JSON],
            status: "200",
        },
    ]
}

/// Those that say something about the service.
fn facts() -> [Get; 4] {
    let plain = |path: &'static str, name, text| Get {
        path: path.into(),
        name,
        text,
        file: None,
        query: &[],
        gives: vec![JSON],
        status: "200",
    };
    [
        plain("/api/v1/model", "model", "What draws here: size, short name, origin, licence."),
        plain("/api/v1/version", "version", "Version of the program and of this interface."),
        plain("/api/v1/health", "health", "That the service lives, and how busy it is."),
        plain("/api/v1/ready", "ready", "Whether to send visitors: 503 while the service stops."),
    ]
}

/// The whole document.
pub(crate) fn document(app: &App) -> Value {
    let bounds = Bounds::of(&app.generator);
    let mut paths = Map::new();
    for get in orders(bounds).chain(files(bounds)).chain(searches(bounds)).chain(facts()) {
        paths.insert(get.path.to_string(), json!({ "get": operation(app, &get) }));
    }
    paths.insert("/api/v1/pictures".to_owned(), json!({ "post": latent_picture(app) }));
    paths.insert("/api/v1/batches".to_owned(), json!({ "post": listed_batch() }));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "This Anime Does Not Exist",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Pictures that no one drew, made on the fly. The same seed, psi and model always give the same picture.",
            "license": { "name": "the pictures: see /api/v1/model; the program: MIT OR Apache-2.0" },
        },
        "servers": [{ "url": app.public_url.as_deref().unwrap_or("/") }],
        "paths": paths,
        "components": { "schemas": { "Problem": problem() }, "responses": { "Problem": {
            "description": "What was wrong and what to do, as a problem document (RFC 9457).",
            "content": { PROBLEM_JSON: { "schema": { "$ref": "#/components/schemas/Problem" } } },
        } } },
    })
}

fn problem() -> Value {
    let kinds: Vec<_> = PROBLEMS.iter().map(|(kind, ..)| format!("/api/#{kind}")).collect();
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": { "type": "string", "enum": kinds },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
        },
    })
}

/// What every operation may answer when it does not succeed.
fn answers(status: &str, success: Value) -> Value {
    let mut answers = Map::from_iter([(status.to_owned(), success)]);
    for (_, status, _) in PROBLEMS {
        answers.insert(status.as_str().to_owned(), json!({ "$ref": "#/components/responses/Problem" }));
    }
    Value::Object(answers)
}

fn content(kinds: &[&str]) -> Value {
    // Binary bodies have no schema in `OpenAPI` 3.1.
    kinds.iter().map(|kind| ((*kind).to_owned(), json!({}))).collect::<Map<_, _>>().into()
}

fn operation(app: &App, get: &Get) -> Value {
    let mut parameters: Vec<Value> = get.query.iter().map(|query| query.parameter(app)).collect();
    if let Some((pattern, example)) = &get.file {
        let (schema, text) = (json!({ "type": "string", "pattern": pattern }), format!("As in {example}"));
        let file = json!({ "name": "file", "in": "path", "required": true, "description": text, "schema": schema, "example": example });
        parameters.insert(0, file);
    }
    let success = if get.status == "302" {
        json!({ "description": "Where the picture is", "headers": { "Location": { "schema": { "type": "string" } } } })
    } else {
        json!({ "description": get.text, "content": content(&get.gives) })
    };
    json!({
        "operationId": get.name,
        "summary": get.text,
        "parameters": parameters,
        "responses": answers(get.status, success),
    })
}

fn look(properties: Value) -> Value {
    let mut all = json!({
        "psi": { "type": "number", "minimum": 0, "maximum": 2, "default": 1 },
        "size": { "type": ["integer", "null"], "minimum": SIZES.start(), "maximum": SIZES.end() },
        "format": { "type": "string", "enum": Format::ALL.map(Format::extension), "default": "png" },
    });
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), properties) {
        all.extend(more);
    }
    all
}

fn latent_picture(app: &App) -> Value {
    let w = crate::pictures::latent::spell(app.generator.w_avg());
    let properties = look(json!({
        "space": { "type": "string", "enum": ["z", "w"], "description": "z: before the mapping network; w: after it, before truncation" },
        "values": { "type": "string", "format": "byte", "description": "base64 of little-endian 32-bit floats" },
        "noise_seed": { "type": ["integer", "null"], "minimum": 0, "maximum": u64::MAX, "description": "add the noise of this seed, where the model adds any; without it none is added" },
    }));
    let schema = json!({ "type": "object", "required": ["space", "values"], "additionalProperties": false, "properties": properties });
    let example = json!({ "space": "w", "values": w, "psi": 1, "size": 256, "format": Format::Png.extension() });
    json!({
        "operationId": "latent_picture",
        "summary": "The picture of a z or w that is sent.",
        "requestBody": { "required": true, "content": { "application/json": { "schema": schema, "example": example } } },
        "responses": answers("200", json!({ "description": "The picture", "content": content(&images()) })),
    })
}

fn listed_batch() -> Value {
    let properties = look(json!({
        "seeds": { "type": "string", "description": format!("up to {MOST} seeds and ranges, as in 0-63,77") },
        "noise": { "type": "boolean", "default": true },
    }));
    let schema =
        json!({ "type": "object", "required": ["seeds"], "additionalProperties": false, "properties": properties });
    json!({
        "operationId": "listed_batch",
        "summary": "As GET, for lists that are too long for an address.",
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": schema, "example": { "seeds": "0-7,42", "psi": 0.7 } } },
        },
        "responses": answers("200", json!({ "description": "The archive", "content": content(&["application/zip"]) })),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use proptest::string::string_regex;
    use regex::Regex;
    use synth::{Creature, Recipe};

    use super::*;
    use crate::api::batch;
    use crate::pictures::kind::Kind;
    use crate::pictures::order::Order;
    use crate::routes::API;
    use crate::wall_place::parse_at;

    const BOUNDS: Bounds = Bounds { layers: 11, directions: 3, dimensions: 2 };

    /// Whether a pattern takes all of a text, as those in the document do.
    fn takes(pattern: &str) -> impl Fn(&str) -> bool + use<> {
        let pattern = Regex::new(&format!("^({pattern})$")).unwrap();
        move |text| pattern.is_match(text)
    }

    /// Names on both sides of every limit.
    const NAMES: [&str; 72] = [
        "0",
        "42",
        "00042",
        "000000000000000000000000000000042",
        "18446744073709551615",
        "018446744073709551615",
        "18446744073709551616",
        "18446744073709551620",
        "19446744073709551615",
        "9999999999999999999",
        "99999999999999999999",
        "",
        "-1",
        "+1",
        "a",
        "4 2",
        "42-3b7",
        "42-",
        "42-3B",
        "42-g",
        "42@0p1",
        "42@0p0",
        "42@0p40",
        "42@0p41",
        "42@0m040",
        "42@0m0040",
        "42@0p001",
        "42@0x1",
        "42@0p",
        "42@p1",
        "42@2p9",
        "42@002p9",
        "42@0002p9",
        "42@3p9",
        "42@255p9",
        "42@256p9",
        "42@0p1@1m2@2p3",
        "42@0p1@2p3",
        "42@1p1@0p1",
        "42@1p1@1p1",
        "42-3@0p5",
        "42@0p5-3",
        "42~77",
        "42~77~0",
        "42~77~35",
        "42~77~035",
        "42~77~0035",
        "42~77~100",
        "42~77~101",
        "42~77~200",
        "42~77~1~2",
        "42-1@0p5~77-2@1m5~9",
        "0w3c007f80",
        "42w00010000-3b7@1p5",
        "0w3c007f80~42w7bff0101~35",
        "0w3c007f80_42_3",
        "0w00007f80",
        "0w7c007f80",
        "0wbc007f80",
        "0w3c007f8",
        "0w3c007f8001",
        "0w3C007f80",
        "0w3c00",
        "0w",
        "w3c007f80",
        "42-3w3c007f80",
        "42_77",
        "42_77_0",
        "42_77_11",
        "42_77_011",
        "42_77_12",
        "wall",
    ];

    #[test]
    fn a_pattern_takes_what_the_reading_of_addresses_takes_and_nothing_else() {
        let mut taken = 0;
        for (kind, get) in KINDS.iter().zip(orders(BOUNDS)) {
            let (pattern, _) = get.file.unwrap();
            let takes = takes(&pattern);
            for name in NAMES {
                for ending in ["png", "webp", "jpg", "gif", "zip", "PNG", ""] {
                    let file = format!("{name}.{ending}");
                    let read = Order::parse(&format!("{}/{file}", kind.name), None, BOUNDS);
                    assert_eq!(takes(&file), read.is_ok(), "{}/{file}: {read:?}", kind.name);
                    taken += usize::from(read.is_ok());
                }
            }
        }
        assert!(taken > 200, "only {taken} files are any");
        let one = takes(&creature(BOUNDS));
        for name in NAMES {
            let read = name.parse::<Creature>().is_ok_and(|creature| BOUNDS.check(&Recipe::Single(creature)).is_ok());
            assert_eq!(one(name), read, "{name}");
        }
    }

    #[test]
    fn a_model_without_directions_has_no_edits_to_describe() {
        let none = Bounds { directions: 0, ..BOUNDS };
        let one = takes(&creature(none));
        assert!(one("42-3b7") && !one("42@0p1"));
        assert!(BOUNDS.check(&"42@0p1".parse().unwrap()).is_ok() && none.check(&"42@0p1".parse().unwrap()).is_err());
    }

    #[test]
    fn a_model_whose_w_is_too_large_for_an_address_has_none_to_describe() {
        let name = |dimensions: usize| format!("0w3c00{}", "01".repeat(dimensions));
        for (dimensions, there) in [(LARGEST_FOUND, true), (LARGEST_FOUND + 1, false)] {
            let one = takes(&creature(Bounds { dimensions, ..BOUNDS }));
            assert!(one("42-3b7") && one(&name(dimensions)) == there, "{dimensions}");
            assert_eq!(name(dimensions).parse::<Creature>().is_ok(), there, "{dimensions}");
        }
    }

    #[test]
    fn lists_of_seeds_and_places_on_walls_are_described_as_they_are_read() {
        let get = files(BOUNDS).into_iter().find(|get| get.name == "batch").unwrap();
        let listed = takes(&get.file.unwrap().0);
        for list in
            ["0", "0-7,42", "00042", "18446744073709551615", "18446744073709551616", "", "1,", "-", "1-2-3", "a"]
        {
            assert_eq!(listed(&format!("{list}.zip")), batch::seeds(list).is_ok(), "{list}");
        }
        let at = takes(&place());
        for text in
            ["0,0", "12,-3", "-2147483647,2147483647", "2147483648,0", "0,-9999999999", "12.5,-3.25", "1", "1,", "a,b"]
        {
            assert_eq!(at(text), parse_at(text).is_some(), "{text}");
        }
        assert!(parse_at("2147483647.999999,0").is_some(), "the farthest that the pattern takes");
    }

    proptest! {
        #[test]
        fn whatever_a_pattern_takes_is_read(name in string_regex(&super::any(BOUNDS)).unwrap()) {
            let read = name.parse::<Recipe>().map(|recipe| BOUNDS.check(&recipe));
            prop_assert_eq!(read, Ok(Ok(())), "{}", name);
        }
    }

    #[test]
    fn every_route_is_described_and_every_description_is_a_route() {
        let gets = orders(BOUNDS).chain(files(BOUNDS)).chain(searches(BOUNDS)).chain(facts());
        let mut described: BTreeSet<_> = gets.map(|get| get.path.into_owned()).collect();
        described.extend(["/api/v1/pictures", "/api/v1/batches"].map(str::to_owned));
        let orders = KINDS.iter().map(Kind::route);
        let routed: BTreeSet<_> = API.iter().map(|(path, _)| (*path).to_owned()).chain(orders).collect();
        assert_eq!(described, routed);
    }
}

//! The description of the interface for programs: `OpenAPI` 3.1, with the bounds that the code itself uses.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::api::batch::MOST;
use crate::app::App;
use crate::error::{PROBLEM_JSON, PROBLEMS};
use crate::pictures::encode::Format;
use crate::pictures::kind::{Endings, KINDS, PICTURE, Subject};
use crate::pictures::order::AnimationFormat;
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
                json!({ "type": "string", "pattern": "^-?[0-9]+,-?[0-9]+$", "default": "0,0" }),
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

const RECIPE: &str = "[0-9]{1,20}(-[0-9a-f]{1,64})?(@[0-9]{1,3}[pm][0-9]{1,2})*";

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
fn any() -> String {
    format!("{RECIPE}(~{RECIPE}~[0-9]{{1,3}}|_{RECIPE}_[0-9]{{1,3}})?")
}

/// The endings of pictures, as a pattern.
fn still() -> String {
    format!("({})", Format::ALL.map(Format::extension).join("|"))
}

/// Media types of pictures.
fn images() -> Vec<&'static str> {
    Format::ALL.map(Format::media_type).into()
}

/// Those that give what can be ordered.
fn orders() -> impl Iterator<Item = Get> {
    KINDS.iter().map(|kind| {
        let name = match kind.subject {
            Subject::Recipe => any(),
            Subject::Pair => format!("{RECIPE}~{RECIPE}"),
            Subject::RecipeOrWall => format!("({}|wall)", any()),
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
fn files() -> Vec<Get> {
    let (any, still) = (any(), still());
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
            file: Some(file(format!("{RECIPE}\\.json"), "42.json")),
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
            text: "The pictures of up to 256 seeds in a ZIP archive, sent while they are drawn.",
            file: Some(file("[0-9]{1,20}(-[0-9]{1,20})?(,[0-9]{1,20}(-[0-9]{1,20})?)*\\.zip", "0-7,42.zip")),
            query: &[Query::Creativity, Query::Size, Query::Noise, Query::Format, Query::Model],
            gives: vec!["application/zip"],
            status: "200",
        },
    ]
}

/// Those that find pictures.
fn searches() -> [Get; 2] {
    const SEARCH: &[Query] = &[Query::Count, Query::Creativity, Query::Size, Query::Noise, Query::Model];
    [
        Get {
            path: "/api/v1/like/{file}".into(),
            name: "like",
            text: "The seeds whose pictures are most like a creature's, and the addresses of their pictures.",
            file: Some(file(format!("{RECIPE}\\.json"), "42.json")),
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
    let mut paths = Map::new();
    for get in orders().chain(files()).chain(searches()).chain(facts()) {
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
        let schema = json!({ "type": "string", "pattern": pattern });
        parameters
            .insert(0, json!({ "name": "file", "in": "path", "required": true, "schema": schema, "example": example }));
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
        "noise_seed": { "type": ["integer", "null"], "minimum": 0, "description": "add the noise of this seed; without it none is added" },
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

    use super::*;
    use crate::pictures::kind::Kind;
    use crate::routes::API;

    #[test]
    fn every_route_is_described_and_every_description_is_a_route() {
        let mut described: BTreeSet<_> =
            orders().chain(files()).chain(searches()).chain(facts()).map(|get| get.path.into_owned()).collect();
        described.extend(["/api/v1/pictures", "/api/v1/batches"].map(str::to_owned));
        let orders = KINDS.iter().map(Kind::route);
        let routed: BTreeSet<_> = API.iter().map(|(path, _)| (*path).to_owned()).chain(orders).collect();
        assert_eq!(described, routed);
    }
}

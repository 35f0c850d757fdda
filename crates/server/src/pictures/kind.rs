//! The kinds of orders: one table from which the routes below `/api/v1/`, the reading of addresses and the description for programs follow.

use synth::{Creature, Recipe};

use crate::pictures::address::{AddressError, excerpt};
use crate::pictures::encode::Format;
use crate::pictures::order::{AnimationFormat, Bounds, Order};
use crate::pictures::query::{Asked, Query};

/// A kind of order.
pub(crate) struct Kind {
    /// The part of an address below `/api/v1/` before the file.
    pub(crate) name: &'static str,
    /// For programs: what one of them is called, and a sentence about it.
    pub(crate) id: &'static str,
    pub(crate) text: &'static str,
    pub(crate) subject: Subject,
    pub(crate) endings: Endings,
    /// What may stand after the question mark.
    pub(crate) query: &'static [Query],
    /// A file.
    pub(crate) example: &'static str,
    /// The order for what [`Kind::subject`] and [`Kind::endings`] read.
    order: fn(Named, Ending, Asked) -> Option<Order>,
}

/// What a file is named after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A seed, or whatever else is made of seeds: wherever a seed is accepted, a recipe is.
    Recipe,
    /// Two creatures with a tilde between them.
    Pair,
    /// A recipe, or the word `wall`.
    RecipeOrWall,
}

/// A file's name, read.
enum Named {
    Recipe(Recipe),
    Pair(Creature, Creature),
    Wall,
}

/// What a file may end in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endings {
    Still,
    Moving,
    /// One ending, without a dot, and the media type that it stands for.
    Only(&'static str, &'static str),
}

/// A file's ending, read.
enum Ending {
    Still(Format),
    Moving(AnimationFormat),
    Only,
}

/// What a picture is asked for with.
pub(crate) const PICTURE: &[Query] = &[Query::Creativity, Query::Size, Query::Noise, Query::Model];

/// Every kind.
pub(crate) const KINDS: [Kind; 6] = [
    Kind {
        name: "pictures",
        id: "picture",
        text: "A picture: a seed (42), a w that was found (0w and its digits), a descendant (42-3b7), an edit (42@0p15), a blend (42~77~35) or a style mix (42_77_5).",
        subject: Subject::Recipe,
        endings: Endings::Still,
        query: PICTURE,
        example: "42.png",
        order: |named, ending, Asked { psi, size, noise, .. }| {
            let (Named::Recipe(recipe), Ending::Still(format)) = (named, ending) else { return None };
            Some(Order::Picture { recipe, psi, size, noise, format })
        },
    },
    Kind {
        name: "sweeps",
        id: "sweep",
        text: "The 18 levels of creativity there and back, animated; .png is an APNG.",
        subject: Subject::Recipe,
        endings: Endings::Moving,
        query: &[Query::Model],
        example: "42.webp",
        order: |named, ending, _| {
            let (Named::Recipe(recipe), Ending::Moving(moving)) = (named, ending) else { return None };
            Some(Order::Sweep { recipe, moving })
        },
    },
    Kind {
        name: "morphs",
        id: "morph",
        text: "From one creature to another and back, animated; .png is an APNG.",
        subject: Subject::Pair,
        endings: Endings::Moving,
        query: &[Query::Creativity, Query::Frames, Query::Model],
        example: "42~77.webp",
        order: |named, ending, Asked { psi, frames, .. }| {
            let (Named::Pair(from, to), Ending::Moving(moving)) = (named, ending) else { return None };
            Some(Order::Morph { from, to, psi, frames, moving })
        },
    },
    Kind {
        name: "montages",
        id: "montage",
        text: "The 18 levels of creativity, 0.3 to 2.0, as one picture.",
        subject: Subject::Recipe,
        endings: Endings::Still,
        query: &[Query::Columns, Query::Tile, Query::Model],
        example: "42.png",
        order: |named, ending, Asked { columns, size, .. }| {
            let (Named::Recipe(recipe), Ending::Still(format)) = (named, ending) else { return None };
            Some(Order::Montage { recipe, columns, size, format })
        },
    },
    Kind {
        name: "levels",
        id: "levels",
        text: "The 18 levels of creativity as PNG files in a ZIP archive.",
        subject: Subject::Recipe,
        endings: Endings::Only("zip", "application/zip"),
        query: &[Query::Model],
        example: "42.zip",
        order: |named, _, _| {
            let Named::Recipe(recipe) = named else { return None };
            Some(Order::Levels { recipe })
        },
    },
    Kind {
        name: "cards",
        id: "card",
        text: "1200 x 630 pixels that introduce a picture where its link is shown; wall.jpg is that of the wall.",
        subject: Subject::RecipeOrWall,
        endings: Endings::Only("jpg", "image/jpeg"),
        query: &[Query::Creativity, Query::Wall, Query::At, Query::Model],
        example: "42.jpg",
        order: |named, _, Asked { psi, wall, at: (x, y), .. }| match named {
            Named::Recipe(recipe) => Some(Order::Card { recipe, psi }),
            Named::Wall => Some(Order::WallCard { psi, place: wall.map(|wall| (wall, x, y)) }),
            Named::Pair(..) => None,
        },
    },
];

impl Kind {
    /// Its route.
    pub(crate) fn route(&self) -> String {
        format!("/api/v1/{}/{{file}}", self.name)
    }

    /// Reads a file of this kind; nothing if it is named or ends as none of them does.
    pub(crate) fn read(
        &self,
        (name, ending): (&str, &str),
        asked: Asked,
        bounds: Bounds,
    ) -> Result<Option<Order>, AddressError> {
        if self.query.contains(&Query::Tile) {
            asked.check_tile()?;
        }
        let named = match self.subject {
            Subject::RecipeOrWall if name == "wall" => Named::Wall,
            Subject::Recipe | Subject::RecipeOrWall => {
                let recipe: Recipe = name.parse()?;
                bounds.check(&recipe)?;
                Named::Recipe(recipe)
            }
            Subject::Pair => {
                let Some((from, to)) = name.split_once('~') else { return Ok(None) };
                let (from, to) = (from.parse::<Creature>()?, to.parse::<Creature>()?);
                bounds.check(&Recipe::Blend { from: from.clone(), to: to.clone(), percent: 0 })?;
                Named::Pair(from, to)
            }
        };
        let ending = if ending == "jpeg" { "jpg" } else { ending };
        let ending = match self.endings {
            Endings::Still => {
                Ending::Still(Format::from_extension(ending).ok_or_else(|| AddressError::Format(excerpt(ending)))?)
            }
            Endings::Moving => Ending::Moving(
                AnimationFormat::from_extension(ending)
                    .ok_or_else(|| AddressError::AnimationFormat(excerpt(ending)))?,
            ),
            Endings::Only(only, _) if only == ending => Ending::Only,
            Endings::Only(..) => return Ok(None),
        };
        Ok((self.order)(named, ending, asked))
    }
}

impl Order {
    /// Reads `kind/file` and what stands after the question mark; `bounds` is what the model has.
    pub(crate) fn parse(path: &str, query: Option<&str>, bounds: Bounds) -> Result<Self, AddressError> {
        let shape = || AddressError::Order { asked: path.chars().take(60).collect(), examples: examples() };
        let (kind, file) = path.split_once('/').ok_or_else(shape)?;
        let file = file.rsplit_once('.').ok_or_else(shape)?;
        let kind = KINDS.iter().find(|known| known.name == kind).ok_or_else(shape)?;
        kind.read(file, Asked::read(query)?, bounds)?.ok_or_else(shape)
    }
}

/// A file of every kind.
fn examples() -> String {
    let [first @ .., last] = KINDS.each_ref().map(|kind| format!("{}/{}", kind.name, kind.example));
    format!("{} or {last}", first.join(", "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_example_of_every_kind_is_an_order_that_is_spelled_with_its_name() {
        for kind in &KINDS {
            let path = format!("{}/{}", kind.name, kind.example);
            let order = Order::parse(&path, None, Bounds { layers: 11, directions: 3, dimensions: 2 }).unwrap();
            assert!(order.to_string().starts_with(&path), "{path} is spelled {order}");
            if let Endings::Only(_, media_type) = kind.endings {
                assert_eq!(order.media_type(), media_type);
            }
        }
    }

    const BOUNDS: Bounds = Bounds { layers: 11, directions: 3, dimensions: 2 };

    fn parse(text: &str) -> Result<Order, AddressError> {
        let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
        Order::parse(path, query, BOUNDS)
    }

    #[test]
    fn every_order_reads_back_from_its_own_spelling() {
        for text in [
            "pictures/42.png?psi=1.0",
            "pictures/42-3b7.webp?psi=0.75&size=512",
            "pictures/42~77~35.jpg?psi=2.0&size=64&noise=off",
            "pictures/42_77_11.png?psi=0.3",
            "pictures/42-3@0p15@2m40.png?psi=0.3",
            "pictures/42w3c007f80.png?psi=0.3",
            "morphs/0w3c007f80-3@0p15~42.webp?psi=0.7&frames=60",
            "morphs/42@0p15~42@0m15.webp?psi=0.7&frames=60",
            "sweeps/42.webp",
            "sweeps/42~1~3.png",
            "sweeps/42.gif",
            "morphs/42-3~77.webp?psi=0.7&frames=60",
            "montages/42.jpg?columns=6",
            "montages/42~77~35.png?columns=1&size=512",
            "levels/7-0.zip",
            "cards/7.jpg?psi=1.1",
            "cards/wall.jpg?psi=1.1",
            "cards/wall.jpg?psi=1.4&wall=1f9c03aa&at=12,-3",
        ] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        assert_eq!(parse("pictures/00042.png?m=1&x").unwrap().to_string(), "pictures/42.png?psi=1.0");
    }

    #[test]
    fn each_mistake_is_named() {
        for (text, word) in [
            ("pictures", "pictures/42.png"),
            ("pictures/42", "pictures/42.png"),
            ("pictures/42.gif", ".png, .webp or .jpg"),
            ("pictures/x.png", "names no picture"),
            ("pictures/42_77_12.png", "11 layers"),
            ("pictures/42@3p1.png", "0 to 2"),
            ("morphs/1~42@3p1.webp", "0 to 2"),
            ("pictures/42w3c007f8001.png", "3 numbers is of another model: this one's have 2"),
            ("pictures/1~42w3c007f~5.png", "1 numbers is of another model: this one's have 2"),
            ("pictures/1_42@3p1_2.png", "0 to 2"),
            ("pictures/42@1p41.png", "1 to 40 tenths"),
            ("pictures/42@1p1@0p1.png", "in rising order"),
            ("pictures/42~77~101.png", "0 to 100 hundredths"),
            ("pictures/42-00000000000000000000000000000000000000000000000000000000000000000.png", "at most 64 digits"),
            ("pictures/42.png?noise_seed=3", "leave noise_seed out"),
            ("pictures/42.png?psi=1&noise-seed=3", "leave noise_seed out"),
            ("pictures/42.png?count=65", "from 1 to 64"),
            ("pictures/42.png?psi=3", "from 0.0 to 2.0"),
            ("pictures/42.png?size=1e9", "from 16 to 1024"),
            ("pictures/42.png?size=15", "from 16 to 1024"),
            ("pictures/42.png?noise=loud", "noise=on or noise=off"),
            ("sweeps/42.avi", ".webp, .gif or .png"),
            ("morphs/42.webp", "/api/v1/"),
            ("morphs/42~77.jpg", ".webp, .gif or .png"),
            ("morphs/42~77~50.webp", "names no picture"),
            ("morphs/42~77.webp?frames=61", "from 2 to 60"),
            ("montages/42.png?columns=0", "from 1 to 18"),
            ("montages/42.png?size=513", "16 to 512"),
            ("cards/wall.jpg?wall=xyz", "eight hexadecimal digits"),
            ("cards/wall.jpg?wall=1&at=1", "at=12,-3"),
            ("levels/42.png", "/api/v1/"),
            ("cards/42.png", "/api/v1/"),
            ("secrets/42.png", "/api/v1/"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused_but_never_panics(path in ".{0,60}", query in ".{0,60}") {
            let _ = Order::parse(&path, Some(&query), BOUNDS);
        }
    }
}

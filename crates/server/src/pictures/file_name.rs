//! Names of files that are called after a recipe.

use synth::{Creature, Recipe};

/// Bytes of a recipe in the name of a file, at most: systems take 255, and more follows.
const LONGEST: usize = 200;

/// A recipe as names of files spell it, as does `fileName` in `web/js/recipe.js`: a `w` that was found by its first numbers. What is still too long
/// ends in a hash of all of it.
pub(crate) fn file_name(recipe: &Recipe) -> String {
    let name = match recipe {
        Recipe::Single(one) => short(one),
        Recipe::Blend { from, to, percent } => format!("{}~{}~{percent}", short(from), short(to)),
        Recipe::Mix { coarse, fine, layer } => format!("{}_{}_{layer}", short(coarse), short(fine)),
    };
    if name.len() <= LONGEST {
        return name;
    }
    let hash = blake3::hash(recipe.to_string().as_bytes()).to_hex();
    // Recipes are ASCII.
    format!("{}-{}", &name[..LONGEST - 17], &hash[..16])
}

fn short(creature: &Creature) -> String {
    let Some(found) = &creature.found else { return creature.to_string() };
    let plain = Creature { found: None, ..creature.clone() }.to_string();
    let rest = plain.trim_start_matches(|letter: char| letter.is_ascii_digit());
    format!("found-{}{rest}", found.short())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_any_recipe_have_names_that_a_disk_takes() {
        let name = |recipe: &str| file_name(&recipe.parse().unwrap());
        for (recipe, expected) in [
            ("42-3b7@0p15", "42-3b7@0p15"),
            ("42~77~35", "42~77~35"),
            ("7w3c00010203040506-3b@0p5", "found-01020304-3b@0p5"),
            ("7w3c0001~42~35", "found-01~42~35"),
            ("42_7w3c000102030405_5", "42_found-01020304_5"),
        ] {
            assert_eq!(name(recipe), expected);
        }
        let long = format!("1-{}@0p1@1p1@2p1@3p1@4p1@5p1@6p1@7p1@8p1@9p1", "3b7f".repeat(16));
        let [one, other] = [1, 2].map(|percent| name(&format!("{long}~{long}~{percent}")));
        assert_eq!((one.len(), other.len()), (LONGEST, LONGEST));
        assert_ne!(one, other);
    }
}

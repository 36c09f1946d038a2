//! Parts of docs/benchmarks.md, each written by a bench of its own: from a heading to the
//! next of its kind.

use std::fs;
use std::path::Path;

use anyhow::Result;

/// Puts a part in the place of the one that begins alike, or at the end.
pub(super) fn replace(path: &Path, head: &str, text: &str) -> Result<()> {
    let page = fs::read_to_string(path)?;
    Ok(fs::write(path, replaced(&page, head, text))?)
}

fn replaced(page: &str, head: &str, text: &str) -> String {
    let (before, after) = around(page, head).unwrap_or((page, ""));
    let after = if after.is_empty() { String::new() } else { format!("\n{after}") };
    format!("{}\n\n{}\n{after}", before.trim_end(), text.trim_end())
}

/// The part that begins so, for whoever writes the page's others anew.
pub(super) fn kept(path: &Path, head: &str) -> String {
    let page = fs::read_to_string(path).unwrap_or_default();
    let Some((before, after)) = around(&page, head) else { return String::new() };
    format!("\n{}\n", page[before.len()..page.len() - after.len()].trim_end())
}

/// What comes before a part, and what after it.
fn around<'a>(page: &'a str, head: &str) -> Option<(&'a str, &'a str)> {
    let at = page.find(head)?;
    let inside = at + head.len();
    let end = page[inside..].find("\n## ").map_or(page.len(), |next| inside + next + 1);
    Some((&page[..at], &page[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_replaced_where_it_stands_and_the_others_stay() {
        let page = "# Page\n\n## One\n\n1\n\n## Two\n\n2\n";
        assert_eq!(replaced(page, "## One\n", "## One\n\nnew\n"), "# Page\n\n## One\n\nnew\n\n## Two\n\n2\n");
        assert_eq!(replaced(page, "## Two\n", "## Two\n\nnew\n"), "# Page\n\n## One\n\n1\n\n## Two\n\nnew\n");
        assert_eq!(
            replaced(page, "## Three\n", "## Three\n"),
            "# Page\n\n## One\n\n1\n\n## Two\n\n2\n\n## Three\n"
        );
    }
}

//! The packages that come with R itself.

use std::collections::BTreeSet;

use super::PackageName;

/// `rownames(installed.packages(priority = "base"))` of R 4.5.0, and `translations`.
const BASE: [&str; 15] = [
    "base",
    "compiler",
    "datasets",
    "grDevices",
    "graphics",
    "grid",
    "methods",
    "parallel",
    "splines",
    "stats",
    "stats4",
    "tcltk",
    "tools",
    "translations",
    "utils",
];

/// `Priority: recommended` on CRAN: shipped with R, but versioned on its own.
const RECOMMENDED: [&str; 15] = [
    "KernSmooth",
    "MASS",
    "Matrix",
    "boot",
    "class",
    "cluster",
    "codetools",
    "foreign",
    "lattice",
    "mgcv",
    "nlme",
    "nnet",
    "rpart",
    "spatial",
    "survival",
];

/// Whether R always brings the package, in R's own version; such a package is never built.
pub fn is_base_package(name: &PackageName) -> bool {
    BASE.binary_search(&name.as_str()).is_ok()
}

/// Names in their order, each once, without those that R always brings.
pub fn without_base_packages(names: impl Iterator<Item = PackageName>) -> Vec<PackageName> {
    names.filter(|name| !is_base_package(name)).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether CRAN also keeps the package in R's own `Recommended` folder.
pub fn is_recommended_package(name: &PackageName) -> bool {
    RECOMMENDED.binary_search(&name.as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_are_sorted_since_they_are_searched_by_halving() {
        assert!(BASE.is_sorted() && RECOMMENDED.is_sorted());
    }
}

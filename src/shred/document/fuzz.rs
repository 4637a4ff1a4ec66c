//! What is asked of the two walks over any documents: that both take the same. The fuzz targets call it (`crate::fuzz`).

use super::Walker;

/// Lines at most.
const DOCUMENTS: usize = 40;

/// What a pass took: values, what goes to pools, and what is known of the paths.
pub(super) fn taken(walker: &Walker, text: &str) -> String {
    let values: Vec<_> = walker.values(text).collect();
    let pooled: Vec<_> = walker.pooled(text).collect();
    format!("{values:?} {pooled:?} {:?}", walker.tree(0, &[]))
}

/// Takes lines for documents: where the quick walk goes through one, the parser takes the same out of it.
pub(crate) fn walk(bytes: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(bytes);
    let (mut quick, mut parser) = (Walker::for_sample(), Walker::for_sample());
    let mut whole = Walker::for_sample();
    for document in text.lines().take(DOCUMENTS) {
        whole.walk(document);
        whole.arrays.sample(document, |_, _, _, _| ());
        quick.begin();
        parser.begin();
        if quick.plain(document).is_none() {
            // What is thrown away may have grown the tree.
            (quick, parser) = (Walker::for_sample(), Walker::for_sample());
            continue;
        }
        if !parser.parsed(document, false) {
            return Err(format!("{document:?} is sound to the quick walk alone"));
        }
        let (one, other) = (taken(&quick, document), taken(&parser, document));
        if one != other {
            return Err(format!("of {document:?} the quick walk takes {one}, and the parser {other}"));
        }
    }
    Ok(())
}

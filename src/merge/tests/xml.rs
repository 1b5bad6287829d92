//! XML by element, in named cases.

use super::merged;
use crate::merge::Unclean;

fn both(base: &str, local: &str, remote: &str) -> Result<String, Unclean> {
    let one = merged(base, local, remote);
    assert_eq!(one.is_ok(), merged(base, remote, local).is_ok(), "swapped");
    one
}

fn paths(base: &str, local: &str, remote: &str) -> Vec<String> {
    match both(base, local, remote) {
        Err(Unclean::Overlap { places }) => places.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn sibling_inserts_at_different_places_are_both_kept() {
    let base = "<l><a/><b/><c/></l>";
    assert_eq!(
        both(base, "<l><x/><a/><b/><c/></l>", "<l><a/><b/><c/><y/></l>").as_deref(),
        Ok("<l><x/><a/><b/><c/><y/></l>")
    );
    assert_eq!(
        both(base, "<l><a/><x/><b/><c/></l>", "<l><a/><b/><y/><c/></l>").as_deref(),
        Ok("<l><a/><x/><b/><y/><c/></l>")
    );
}

#[test]
fn sibling_inserts_at_one_place_conflict_unless_they_are_the_same() {
    let base = "<l><a/></l>";
    assert_eq!(paths(base, "<l><a/><x/></l>", "<l><a/><y/></l>"), ["/l/node()[last()]"]);
    assert_eq!(both(base, "<l><a/><x/></l>", "<l><a/><x/></l>").as_deref(), Ok("<l><a/><x/></l>"));
}

#[test]
fn attributes_merge_by_name() {
    let base = "<l><a  x='1' y=\"2\"/></l>";
    assert_eq!(
        both(base, "<l><a  x='5' y=\"2\"/></l>", "<l><a  x='1' y=\"6\"/></l>").as_deref(),
        Ok("<l><a  x='5' y=\"6\"/></l>")
    );
    assert_eq!(
        both(base, "<l><a  x='1' y=\"2\" z='3'/></l>", "<l><a y=\"2\"/></l>").as_deref(),
        Ok("<l><a y=\"2\" z='3'/></l>")
    );
    assert_eq!(paths(base, "<l><a  x='5' y=\"2\"/></l>", "<l><a  x='6' y=\"2\"/></l>"), ["/l/a/@x"]);
    assert_eq!(paths(base, "<l><a y=\"2\"/></l>", "<l><a  x='6' y=\"2\"/></l>"), ["/l/a/@x"]);
    assert_eq!(
        both("<l><a/></l>", "<l><a b='1'/></l>", "<l><a c='1'/></l>").as_deref(),
        Ok("<l><a c='1' b='1'/></l>")
    );
}

#[test]
fn a_change_below_a_removed_element_conflicts() {
    let base = "<l><a><b>1</b></a><c/></l>";
    assert_eq!(paths(base, "<l><c/></l>", "<l><a><b>2</b></a><c/></l>"), ["/l/a"]);
    assert_eq!(
        both(base, "<l><c/></l>", "<l><a><b>1</b></a><c d='1'/></l>").as_deref(),
        Ok("<l><c d='1'/></l>")
    );
}

#[test]
fn text_and_structure_merge_where_they_are_apart() {
    let base = "<p>one <b>two</b> three</p>";
    assert_eq!(
        both(base, "<p>ONE <b>two</b> three</p>", "<p>one <b>TWO</b> three</p>").as_deref(),
        Ok("<p>ONE <b>TWO</b> three</p>")
    );
    assert_eq!(paths(base, "<p>ONE <b>two</b> three</p>", "<p>1 <b>two</b> three</p>"), ["/p/text()[1]"]);
    assert_eq!(
        both(base, "<p>one <b>two</b> three&amp;<![CDATA[<]]></p>", "<p><b>two</b> three</p>").as_deref(),
        Ok("<p><b>two</b> three&amp;<![CDATA[<]]></p>")
    );
}

#[test]
fn untouched_bytes_stay_and_new_elements_are_indented() {
    let base = "<?xml version='1.0'  encoding=\"utf-8\"?>\n<!DOCTYPE l>\n<!-- kept  -->\n<l>\n  <a\n    x = '1'></a >\n  <b/>\n</l>\n<!-- end -->\n";
    let local = base.replace("<b/>\n", "<b/>\n  <c>\n    <d/>\n  </c>\n");
    let remote = base.replace("'1'>", "'2'>");
    assert_eq!(both(base, &local, &remote), Ok(local.replace("'1'>", "'2'>")));
}

#[test]
fn an_element_with_another_id_is_another_element() {
    let base = "<l><r id='1' w='1'/></l>";
    assert!(both(base, "<l><r id='2' w='1'/></l>", "<l><r id='1' w='5'/></l>").is_err());
    assert_eq!(
        both(base, "<l><r id='0'/><r id='1' w='7'/></l>", "<l><r id='1' w='1' h='1'/></l>").as_deref(),
        Ok("<l><r id='0'/><r id='1' w='7' h='1'/></l>")
    );
}

#[test]
fn namespaces_are_not_mixed() {
    let base = "<l xmlns='u'><a/></l>";
    assert!(both(base, "<l xmlns='v'><a/></l>", "<l xmlns='u'><a/><b/></l>").is_err());
    let (local, remote) = ("<l xmlns:p='u'><a/><p:b/></l>", "<l><c/><a/></l>");
    assert!(both("<l><a/></l>", local, remote).is_err());
}

#[test]
fn the_result_is_well_formed_or_a_conflict() {
    // By line these join, to a document whose tags do not match.
    let base = "<l>\n<a>\n1\n2\n3\n</a>\n</l>\n";
    let local = "<l>\n<b>\n1\n2\n3\n</b>\n</l>\n";
    let remote = "<l>\n<a>\n1\n</a>\n<a>\n3\n</a>\n</l>\n";
    assert!(both(base, local, remote).is_err());
}

#[test]
fn documents_that_declare_entities_are_not_merged() {
    let base = "<!DOCTYPE l [<!ENTITY e \"<b/>\">]><l><a/>&e;</l>";
    let unclean =
        both(base, &base.replace("<a/>", "<a x='1'/>"), &base.replace("&e;", "&e;&e;")).unwrap_err();
    assert_eq!(unclean, Unclean::Entities);
}

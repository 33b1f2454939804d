"""ISO 19005-3 (PDF/A-3a) and ISO 14289-1 (PDF/UA-1), clause by clause, as far as a file shows it.

What can be read of a file's structure without rendering; ``test_pdf_validators`` asks a validator.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import pytest

pikepdf = pytest.importorskip("pikepdf")

RELATIONSHIPS = {"/Source", "/Data", "/Alternative", "/Supplement", "/Unspecified"}
STANDARD_TYPES = {
    *("Document", "Part", "Sect", "Div", "H1", "H2", "H3", "H4", "P", "L", "LI", "Lbl", "LBody"),
    *("Table", "THead", "TBody", "TFoot", "TR", "TH", "TD", "Caption", "Figure", "Link", "Span"),
    *("Reference", "Note", "Code", "TOC", "TOCI", "BlockQuote", "Quote", "NonStruct", "Annot"),
}
FORBIDDEN_ACTIONS = {"/Launch", "/Sound", "/Movie", "/ResetForm", "/ImportData", "/JavaScript"}


@pytest.fixture(scope="module")
def pdf(exact_pdf):
    with pikepdf.open(io.BytesIO(exact_pdf)) as document:
        yield document


def dictionaries(pdf) -> Iterator:
    for one in pdf.objects:
        if isinstance(one, (pikepdf.Dictionary, pikepdf.Stream)):
            yield one


def elements(pdf) -> Iterator:
    stack = [pdf.Root.StructTreeRoot]
    while stack:
        node = stack.pop()
        if isinstance(node, pikepdf.Dictionary):
            if "/S" in node:
                yield node
            kids = node.get("/K")
            stack += list(reversed(kids)) if isinstance(kids, pikepdf.Array) else [kids]


def test_file_header_and_trailer(exact_pdf, pdf):
    # 6.1.2: a header, then a comment of at least four bytes above 127.
    first, second = exact_pdf.splitlines()[:2]
    assert re.fullmatch(rb"%PDF-1\.[0-7]", first)
    assert second.startswith(b"%")
    assert sum(byte > 127 for byte in second[:6]) >= 4
    # 6.1.3: an identifier and no encryption; nothing after the end.
    assert len(pdf.trailer.ID) == 2
    assert "/Encrypt" not in pdf.trailer
    assert exact_pdf.rstrip(b"\r\n").endswith(b"%%EOF")
    assert not pdf.is_encrypted


def test_streams_are_inside_the_file_and_readable(pdf):
    # 6.1.7: no external streams, no LZW; 6.2.9: no PostScript objects.
    for one in dictionaries(pdf):
        if not isinstance(one, pikepdf.Stream):
            continue
        assert not {"/F", "/FFilter", "/FDecodeParms"} & set(one.keys())
        filters = one.get("/Filter")
        names = filters if isinstance(filters, pikepdf.Array) else [filters]
        assert not {"/LZWDecode", "/Crypt"} & {str(n) for n in names}
        assert str(one.get("/Subtype")) != "/PS"
        if str(one.get("/Subtype")) == "/Image":
            assert not one.get("/Interpolate", False)
            assert "/Alternates" not in one
            assert "/OPI" not in one


def test_limits_of_implementations(pdf):
    # 6.1.13: strings up to 32,767 bytes, names up to 127.
    for one in dictionaries(pdf):
        for name, value in one.items():
            assert len(name.encode()) <= 128
            if isinstance(value, pikepdf.String):
                assert len(bytes(value)) <= 32767


def test_the_output_intent_has_its_profile(pdf):
    # 6.2.3: one profile for the whole file, embedded, with as many channels as it says.
    (intent,) = [i for i in pdf.Root.OutputIntents if i.S == "/GTS_PDFA1"]
    profile = intent.DestOutputProfile
    held = profile.read_bytes()
    assert held[36:40] == b"acsp"
    assert {b"RGB ": 3, b"GRAY": 1, b"CMYK": 4}[held[16:20]] == int(profile.N)
    assert str(intent.OutputConditionIdentifier)


def test_every_font_is_embedded_and_gives_its_text_back(pdf):
    # 6.2.11: programs embedded; level A: a way back to Unicode.
    fonts = [d for d in dictionaries(pdf) if str(d.get("/Type")) == "/Font"]
    assert fonts
    for font in fonts:
        kind = str(font.Subtype)
        if kind == "/Type0":
            assert "/ToUnicode" in font
            (below,) = font.DescendantFonts
            assert str(below.get("/CIDToGIDMap", "/Identity")) or below.CIDToGIDMap
            descriptor = below.FontDescriptor
        elif kind == "/Type3":
            continue
        else:
            descriptor = font.FontDescriptor
        assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(descriptor.keys())


def test_nothing_acts(pdf):
    # 6.5 and 6.4: no scripts, no forms that change the page, no multimedia.
    root = pdf.Root
    assert "/AA" not in root
    assert "/AcroForm" not in root
    assert "/JavaScript" not in (root.get("/Names") or {})
    for one in dictionaries(pdf):
        assert str(one.get("/S")) not in FORBIDDEN_ACTIONS
        assert "/JS" not in one


def test_annotations_are_printed_and_tagged(pdf):
    # 6.3: visible and printed; UA-1 7.18: part of the structure, with words.
    links = [a for page in pdf.pages for a in page.get("/Annots") or ()]
    assert links
    for link in links:
        assert link.Subtype == "/Link"
        flags = int(link.get("/F", 0))
        assert flags & 4
        assert not flags & (1 | 2 | 32)
        assert "/StructParent" in link
        assert str(link.get("/Contents", ""))


def test_metadata_say_what_the_document_information_says(pdf):
    # 6.6.2.3: XMP readable without decoding; both agree.
    stream = pdf.Root.Metadata
    assert "/Filter" not in stream
    assert stream.read_raw_bytes().startswith(b"<?xpacket")
    with pdf.open_metadata() as xmp:
        assert (xmp["pdfaid:part"], xmp["pdfaid:conformance"]) == ("3", "A")
        assert xmp["pdfuaid:part"] == "1"
        said = {
            "/Title": xmp["dc:title"],
            "/Author": "; ".join(xmp["dc:creator"]),
            "/Keywords": xmp["pdf:Keywords"],
            "/Creator": xmp["xmp:CreatorTool"],
        }
        created = re.sub(r"\D", "", xmp["xmp:CreateDate"])[:14]
    info = pdf.trailer.get("/Info") or {}
    for name, text in said.items():
        if name in info:
            assert str(info[name]) == text
    if "/CreationDate" in info:
        assert str(info.CreationDate).removeprefix("D:")[:14] == created


def test_attachments_say_what_they_are_to_the_document(pdf):
    # 6.8: file specifications with names, relationship and type; listed as associated files.
    listed = {str(spec.UF) for spec in pdf.Root.AF}
    names = pdf.Root.Names.EmbeddedFiles
    assert "/Names" in names or "/Kids" in names
    specs = [d for d in dictionaries(pdf) if str(d.get("/Type")) == "/Filespec"]
    assert {str(s.UF) for s in specs} == listed
    assert {"evidence.json", "chai-model-card.xml", "groups.csv"} <= listed
    for spec in specs:
        assert str(spec.F) == str(spec.UF)
        assert str(spec.AFRelationship) in RELATIONSHIPS
        assert str(spec.Desc)
        held = spec.EF.F
        assert str(held.Subtype).count("/") >= 1
        assert "/ModDate" in held.Params


def test_the_structure_is_whole(pdf):
    # 6.7 and UA-1 7: tagged, in a language, in known types, headings without gaps.
    root = pdf.Root
    assert root.MarkInfo.Marked
    assert not root.MarkInfo.get("/Suspects", False)
    assert str(root.Lang) == "en"
    assert root.ViewerPreferences.DisplayDocTitle
    known = set(STANDARD_TYPES) | {n[1:] for n in root.StructTreeRoot.get("/RoleMap", {})}
    types = [str(e.S)[1:] for e in elements(pdf)]
    assert set(types) <= known
    before = 0
    for kind in types:
        if re.fullmatch(r"H[1-6]", kind):
            level = int(kind[1])
            assert level <= before + 1
            before = level
    assert "/ParentTree" in root.StructTreeRoot
    for page in pdf.pages:
        assert "/StructParents" in page
        assert str(page.get("/Tabs")) == "/S"


def test_figures_have_words_and_tables_have_headers(pdf):
    figures = [e for e in elements(pdf) if str(e.S) == "/Figure"]
    assert len(figures) > 3
    assert all(len(str(f.get("/Alt", ""))) > 3 for f in figures)
    tables = [e for e in elements(pdf) if str(e.S) == "/Table"]
    headers = [e for e in elements(pdf) if str(e.S) == "/TH"]
    assert len(tables) > 10
    assert len(headers) >= len(tables)
    for one in headers:
        kept = one.get("/A")
        owners = kept if isinstance(kept, pikepdf.Array) else [kept]
        assert any("/Scope" in a for a in owners if isinstance(a, pikepdf.Dictionary))


def test_nothing_is_drawn_in_a_colour_the_intent_does_not_know(pdf):
    # 6.2.4: device colours only as the output intent defines them; no transfer functions.
    for one in dictionaries(pdf):
        assert "/TR" not in one or str(one.get("/Type")) != "/ExtGState"
        assert "/HTP" not in one
    for page in pdf.pages:
        spaces = (page.get("/Resources") or {}).get("/ColorSpace") or {}
        assert not [v for v in spaces.values() if str(v) == "/DeviceCMYK"]

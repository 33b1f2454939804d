"""The same effects against other cohorts, on the page of a case."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def _page():
    from dashboard.views.case_groups import curve_part, groups_part
    from dashboard.views.case_sensitivity import sensitivity_part

    def player(name, effect, **more):
        return {"name": name, "label": name.title(), "effect": effect, "value": 2.0, **more}

    def view(cohort, effects, turned):
        background = {"cohort": cohort, "name": f"the {cohort} cohort", "n": 100}
        return {"background": background, "base_value": -1.0, "effects": effects, "turned": turned}

    inner = [player("rs1", 0.4, se=0.01, unit=None), player("rs2", 0.1, se=0.0, unit=None)]
    curve = [{"output": "d30", "effect": 0.5}, {"output": "d90", "effect": 0.9}]
    entry = {
        "score": {"logit": None},
        "base_value": -2.0,
        "background": {"cohort": "all"},
        "players": [player("age", 0.5, curve=curve), player("gene a", -0.2, members=inner)],
        "sensitivity": [
            view("healthy", {"age": -0.1, "gene a": -0.3}, ["age"]),
            view("age_sex", {"age": 0.4, "gene a": -0.2}, []),
        ],
    }
    groups_part(entry["players"])
    curve_part(entry, "m@1")
    sensitivity_part(entry)


def test_effects_against_other_cohorts_are_told_with_their_turns():
    app = AppTest.from_function(_page, default_timeout=240).run()
    assert not app.exception
    told = "\n".join(one.value for one in app.markdown)
    assert "Age changes its sign" in told
    told = "\n".join(one.value for one in app.markdown)
    assert "−0.100 ◆" in told
    assert "Rs1" in told

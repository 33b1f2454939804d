"""The form that declares a new audit carries every margin, and a margin that moved is told."""

from __future__ import annotations

import json

from audits.errors import StudyError
from audits.policy import load_policy
from dashboard.queries import policies


def _healthy(app):
    assert not app.exception
    assert not app.error


def test_the_margin_of_shortcuts_is_declared_and_told(open_app, own_run, monkeypatch):
    path = next(own_run.rglob("evidence.json"))
    evidence = json.loads(path.read_text(encoding="utf-8"))
    evidence["shortcuts"] = {"outputs": [{"output": "another", "model": "toy@1.0"}]}
    evidence["policy"] = {**load_policy(None).to_dict(), **evidence["policy"]}
    evidence["prior_runs"] = [
        {
            "run": "before", "policy_sha256": "0" * 64, "time": "2026-11-01T00:00:00Z",
            "margins": {"tpr": 0.1, "fpr": 0.05}, "shortcut_margin": 0.5,
        }
    ]  # fmt: skip
    path.write_text(json.dumps(evidence), encoding="utf-8")
    app = open_app(own_run / "store", "bias_audit")
    _healthy(app)
    assert "margin of the shortcut audit 0.5 → 0.25 logits" in "\n".join(
        one.value for one in app.markdown
    )
    app.query_params["section"] = "declare"
    app.run()
    field = next(one for one in app.number_input if one.label == "Margin: shortcuts, in logits")
    assert field.value == 0.25
    said = []

    def stop_before_the_audit(_, given):
        said.append(given)
        raise StudyError("Enough was seen.")

    monkeypatch.setattr(policies, "audit_anew", stop_before_the_audit)
    field.set_value(0.4)
    reason = next(one for one in app.text_input if "margin of shortcuts" in one.label)
    reason.set_value("A tenth of the odds.")
    next(one for one in app.button if one.label == "Declare and start the audit").click().run()
    assert "Enough was seen." in app.error[0].value
    written = policies.declared(evidence["policy"], said[0])
    assert written["shortcuts"] == {"margin_logits": 0.4}
    assert written["reasons"]["shortcuts.margin_logits"] == "A tenth of the odds."

"""Pages for staff, one file per subject: each has a `router`, which `app.py` lists.

How an action page is written (`chart.py`, `booking.py`):

- `router = APIRouter()`; the path begins with `/patients/{patient_id}/…` and the patient page links to it.
- Who asks: `who: Annotated[Staff, Depends(staff_page("provider"))]` (`services.dashboard.pages.frame`); without a
  session the browser is sent to sign in and comes back, another role gets a kind page.
- GET shows the form: `return await frame.show(request, who, "chart.html", section="board", patient_id=…, …)`. The
  template extends `staff.html` with the blocks `title` and `content`, and imports `components.html` as `ui`.
- POST reads `await request.form()`, calls the owning service with `services.dashboard.calls.call(request, who,
  "assessment", "PUT", "/api/v1/charts/…", json={…})`, then `return frame.done(f"/patients/{patient_id}")` (303).
  A refusal is a `shared.http.problems.Problem`: catch it where the form should be shown again
  (`frame.show(…, status=problem.status, problem=problem)`; `frame.errors(problem)` maps field names to sentences),
  or let it pass for the kind page.
- Texts live in `texts/<language>.<page>.toml` (`texts/en.chart.toml`) under the page's own table `[chart]`.
"""

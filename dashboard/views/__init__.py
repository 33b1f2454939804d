"""Elements that several pages share: pickers, tables, charts with their twins, states."""

__all__: list[str] = []

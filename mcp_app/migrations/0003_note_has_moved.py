from django.db import migrations


class Migration(migrations.Migration):
    """The model is the demonstration's. A table that is there stays, and so does what is in it."""

    dependencies = [("mcp_app", "0002_note")]

    operations = [
        migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel(name="Note")]),
    ]

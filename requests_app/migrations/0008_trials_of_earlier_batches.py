from django.db import migrations
from django.db.models import Q


def forwards(apps, schema_editor):
    """Note a trial for every staining batch that was submitted before there was a history."""
    batch_model = apps.get_model("requests_app", "ClearingBatch")
    trial_model = apps.get_model("requests_app", "AntibodyTrial")
    batches = batch_model.objects.filter(trial=None).exclude(Q(antibody1="") & Q(antibody2=""))
    for batch in batches.select_related("request__species", "protocol").order_by("pk").iterator():
        request = batch.request
        trial_model.objects.get_or_create(
            batch=batch,
            defaults={
                "tried_on": (request.submitted_at or request.created_at).date(),
                "description": request.description[:128],
                "species": request.species.name if request.species else "",
                "protocol": batch.protocol.name,
                "primary_antibody": batch.antibody1,
                "secondary_antibody": batch.antibody2,
                "request": request,
                "by_id": request.requested_by_id,
            },
        )


class Migration(migrations.Migration):
    dependencies = [("requests_app", "0007_lots_as_logged")]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]

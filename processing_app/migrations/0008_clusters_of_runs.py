from django.db import migrations

DEFAULT = "default"


def forwards(apps, schema_editor):
    cluster = apps.get_model("processing_app", "Cluster")
    status = apps.get_model("processing_app", "ClusterStatus")
    run = apps.get_model("processing_app", "Run")
    names = {DEFAULT, *run.objects.order_by().values_list("cluster_name", flat=True).distinct()}
    for name in sorted(names):
        row, _ = cluster.objects.get_or_create(name=name, defaults={"position": 0, "kind": "local"})
        status.objects.get_or_create(cluster=row)
        run.objects.filter(cluster_name=name, cluster=None).update(cluster=row)


class Migration(migrations.Migration):
    dependencies = [("processing_app", "0007_clusters")]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]

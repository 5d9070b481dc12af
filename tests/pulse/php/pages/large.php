<?php
for ($i = 0; $i < 20000; $i++) {
    echo "line $i of a page of about a megabyte, which does not fit into any buffer\n";
}

<!DOCTYPE html>
<p><?php echo PHP_SAPI === 'cli' ? 'cli' : $_SERVER['REQUEST_METHOD'], "\n" ?></p>
